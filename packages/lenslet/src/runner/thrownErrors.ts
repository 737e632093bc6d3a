import { describeThrown } from "./failure.ts";
import type { RunFailure } from "./types.ts";

/** What user code of one context threw, with the frames that were noted when its stack was formatted. */
export class ThrownErrors {
  readonly #frames = new WeakMap<object, string[]>();

  describe(thrown: unknown): RunFailure {
    if (typeof thrown !== "object" || thrown === null) return describeThrown(thrown, []);
    try {
      // The stack is formatted, and its frames noted, when it is first read.
      void (thrown as { stack?: unknown }).stack;
    } catch {
      // A getter of user code.
    }
    return describeThrown(thrown, this.#frames.get(thrown) ?? []);
  }

  /** Also called for errors that the platform creates: their stacks are the host's to format. */
  formatStack(error: unknown, formatFrames: () => string[]): string {
    let frames: string[] = [];
    let header = "Error";
    try {
      frames = formatFrames();
      if (typeof error === "object" && error !== null) this.#frames.set(error, frames);
      header = String(error);
    } catch {
      // A toString of user code; the frames stand.
    }
    return [header, ...frames].join("\n");
  }
}
