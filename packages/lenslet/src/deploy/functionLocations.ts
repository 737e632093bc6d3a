import { Session } from "node:inspector";

/** Where a function stands in the script it was compiled from. Both count from 0. */
export interface ScriptLocation {
  readonly scriptUrl: string;
  readonly line: number;
  readonly column: number;
}

const slot = Symbol.for("lenslet.locatedFunction");

interface LocationProperty {
  readonly name: string;
  readonly value?: { readonly value?: { scriptId: string; lineNumber: number; columnNumber?: number } };
}

/**
 * Asks V8, through an inspector session of this thread, where functions were written. Nothing else knows: stack traces
 * only tell where something was called. Slows the thread down while open, so open it for the analysis only.
 */
export class FunctionLocations {
  readonly #session = new Session();
  readonly #urls = new Map<string, string>();

  constructor() {
    this.#session.connect();
    this.#session.on("Debugger.scriptParsed", ({ params }) => {
      this.#urls.set(params.scriptId, params.url);
    });
    this.#session.post("Debugger.enable");
  }

  locate(target: unknown): ScriptLocation | null {
    if (typeof target !== "function") return null;
    const holder = globalThis as { [slot]?: unknown };
    holder[slot] = target;
    let location: ScriptLocation | null = null;
    const expression = `globalThis[Symbol.for(${JSON.stringify(slot.description)})]`;
    // Sessions of the own thread call back before `post` returns.
    this.#session.post("Runtime.evaluate", { expression }, (evaluateError, evaluated) => {
      const objectId = evaluateError === null ? evaluated.result.objectId : undefined;
      if (objectId === undefined) return;
      this.#session.post("Runtime.getProperties", { objectId, ownProperties: true }, (error, properties) => {
        if (error !== null) return;
        const internal = (properties.internalProperties ?? []) as readonly LocationProperty[];
        const found = internal.find(({ name }) => name === "[[FunctionLocation]]")?.value?.value;
        const scriptUrl = found === undefined ? undefined : this.#urls.get(found.scriptId);
        if (found === undefined || scriptUrl === undefined) return;
        location = { scriptUrl, line: found.lineNumber, column: found.columnNumber ?? 0 };
      });
      this.#session.post("Runtime.releaseObject", { objectId });
    });
    delete holder[slot];
    return location;
  }

  close(): void {
    this.#session.disconnect();
  }
}
