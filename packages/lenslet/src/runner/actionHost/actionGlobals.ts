import type { CrossingFailure, QueuedSyscall, RealmControls, RealmHost } from "../realm/realmTypes.ts";

/** What the realm of an action gets from its host beyond what queries get. */
export interface ActionRealmHost extends RealmHost {
  /** Classes and objects of the platform that user code uses as they are, by their global name. */
  readonly platform: Readonly<Record<string, unknown>>;
  /** The host's own built-ins, by name: what the platform creates is an instance of these. */
  readonly builtins: Readonly<Record<string, unknown>>;
  asyncSyscall(call: QueuedSyscall): void;
  jsSyscall(op: string, args: unknown): Promise<{ value: unknown } | { failure: CrossingFailure }>;
  fetch(input: unknown, init: unknown): Promise<unknown>;
  startTimer(run: () => void, delayMs: number, repeats: boolean): number;
  stopTimer(id: number): void;
  /** Milliseconds since the time origin, with fraction. */
  performanceNow(): number;
}

/** Intrinsics of the realm for values that the platform creates on behalf of user code. */
export interface RealmIntrinsics {
  parseJson(text: string): unknown;
  /** Makes a buffer or a byte array of the host one of the realm. */
  adopt<T extends object>(value: T): T;
}

/**
 * What makes an action's realm differ from that of a query: real time, timers, network, the platform's own classes.
 * Compiled inside the context from its source text, after the installers of runner/realm (see realmTypes.ts).
 */
export function installActionGlobals(host: ActionRealmHost, realm: RealmControls): RealmIntrinsics {
  const { state } = host;
  const { defineProperty, apply, setPrototypeOf } = Reflect;
  const parse = JSON.parse;

  for (const name of Object.keys(host.platform)) realm.define(name, host.platform[name]);
  realm.DOMException = host.platform["DOMException"] as typeof realm.DOMException;
  realm.refusal = (what) => new Error(`${what} unsupported at import time`);
  realm.jsSyscall = async (op, args) => {
    const outcome = await host.jsSyscall(op, args);
    if ("failure" in outcome) throw realm.makeError(outcome.failure);
    return outcome.value;
  };
  // Answered as they come: an action waits for each call on its own.
  realm.queue = { push: (call: QueuedSyscall) => host.asyncSyscall(call) } as unknown as QueuedSyscall[];

  const timer = (name: string, repeats: boolean) => {
    const start = (callback: unknown, delay: unknown = 0, ...args: unknown[]): number => {
      if (state.phase !== "running") throw realm.refusal(name);
      if (typeof callback !== "function") throw new TypeError(`${name} needs a function`);
      const run = (): void => {
        apply(callback, undefined, args);
      };
      return host.startTimer(run, Number(delay), repeats);
    };
    return start;
  };
  const stop = (id: unknown): void => host.stopTimer(Number(id));
  realm.define("setTimeout", timer("setTimeout", false));
  realm.define("setInterval", timer("setInterval", true));
  realm.define("clearTimeout", stop);
  realm.define("clearInterval", stop);
  realm.define("fetch", async function fetch(input: unknown, init?: unknown) {
    if (state.phase !== "running") throw realm.refusal("fetch()");
    return await host.fetch(input, init);
  });

  const frozen = (globalThis as unknown as { performance: Record<string, unknown> }).performance;
  const frozenNow = frozen["now"] as () => number;
  realm.define("performance", {
    now: () => (state.phase === "running" ? host.performanceNow() : frozenNow()),
    timeOrigin: state.timeOriginMs,
    mark: frozen["mark"],
    measure: frozen["measure"],
  });

  // Buffers, errors and promises that the platform makes belong to the host's realm: `instanceof` has to know them.
  const ordinary = Function.prototype[Symbol.hasInstance] as (value: unknown) => boolean;
  const isInstance = (of: unknown, value: unknown): boolean => apply(ordinary, of, [value]);
  for (const name of Object.keys(host.builtins)) {
    const own = (globalThis as unknown as Record<string, unknown>)[name];
    const foreign = host.builtins[name] as object;
    if (typeof own !== "function") continue;
    defineProperty(own, Symbol.hasInstance, {
      value(this: unknown, value: unknown): boolean {
        return isInstance(this, value) || (this === own && isInstance(foreign, value));
      },
      configurable: true,
      writable: true,
    });
  }
  const prototypes = new Map<string, object>([
    ["ArrayBuffer", ArrayBuffer.prototype],
    ["Uint8Array", Uint8Array.prototype],
  ]);
  return {
    parseJson: (text) => parse(text) as unknown,
    adopt: (value) => {
      const prototype = prototypes.get(Object.prototype.toString.call(value).slice(8, -1));
      if (prototype !== undefined) setPrototypeOf(value, prototype);
      return value;
    },
  };
}
