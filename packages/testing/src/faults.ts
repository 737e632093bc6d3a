import { strippedPath } from "../../lenslet/src/engine/functionPath.ts";
import type { FunctionRun } from "./call.ts";
import type { Fault } from "./types.ts";

const transientText = "Your request couldn't be completed. Try again later.";

export class Faults {
  readonly #planted: { readonly fault: Fault; left: number }[] = [];

  plant(fault: Fault): void {
    this.#planted.push({ fault, left: fault.times ?? 1 });
  }

  /** The error that the call is to fail with, or null. */
  take({ component, fn }: FunctionRun, at: "start" | "answer"): Error | null {
    const path = strippedPath(fn.info.path);
    const hit = this.#planted.find(
      ({ fault, left }) =>
        left > 0 &&
        fault.fn === path &&
        (fault.componentPath ?? "") === component.path &&
        (fault.at ?? "start") === at,
    );
    if (hit === undefined) return null;
    hit.left -= 1;
    return hit.fault.error ?? new Error(transientText);
  }
}
