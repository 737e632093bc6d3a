/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type { HostAsyncStorage, RealmControls, RealmHost } from "./realmTypes.ts";

/** Chance, time, environment, timers and collection made deterministic. See realmTypes.ts for how this file is run. */
export function installDeterminism(host: RealmHost, realm: RealmControls): void {
  const { state } = host;
  const { construct, defineProperty, ownKeys } = Reflect;

  const forbidInAuthConfig = (what: string): void => {
    if (state.kind === "authConfig") throw new Error(`${what} unsupported when evaluating auth config file`);
  };
  const method = (target: object, name: string, value: unknown): void => {
    defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
  };
  const now = (): number => {
    forbidInAuthConfig("Date");
    if (state.phase === "running") state.usedClock = true;
    return state.nowMs;
  };

  method(Math, "random", function random() {
    forbidInAuthConfig("Math.random");
    return host.random();
  });

  const NativeDate = Date;
  const ShimDate = function Date(this: unknown, ...args: unknown[]) {
    if (!new.target) return new NativeDate(now()).toString();
    return construct(NativeDate, args.length === 0 ? [now()] : args, new.target) as unknown;
  };
  defineProperty(ShimDate, "length", { value: 7, configurable: true });
  defineProperty(ShimDate, "prototype", { value: NativeDate.prototype, writable: false });
  method(NativeDate.prototype, "constructor", ShimDate);
  method(ShimDate, "now", () => now());
  method(ShimDate, "parse", NativeDate.parse);
  method(ShimDate, "UTC", NativeDate.UTC);
  realm.define("Date", ShimDate);
  // Intl formats "now" when it is given no date.
  const formatters = [Intl.DateTimeFormat.prototype];
  for (const prototype of formatters) {
    const native = prototype.formatToParts;
    method(
      prototype,
      "formatToParts",
      function formatToParts(this: Intl.DateTimeFormat, date?: Date | number) {
        return native.call(this, date === undefined ? now() : date);
      },
    );
    const format = Object.getOwnPropertyDescriptor(prototype, "format")!.get!;
    defineProperty(prototype, "format", {
      configurable: true,
      enumerable: false,
      get(this: Intl.DateTimeFormat) {
        const bound = format.call(this) as (date: Date | number) => string;
        return (date?: Date | number) => bound(date === undefined ? now() : date);
      },
    });
  }

  const entry = (name: string, entryType: string, startTime: number, duration: number): object => ({
    name,
    entryType,
    startTime,
    duration,
    detail: null,
  });
  const performanceNow = (): number => {
    const fixed = now() - state.timeOriginMs;
    const elapsed = state.kind === "mutation" && state.phase === "running" ? host.elapsedMs() : 0;
    return Math.floor((fixed + elapsed) * 10) / 10;
  };
  realm.define("performance", {
    now: performanceNow,
    get timeOrigin() {
      return state.timeOriginMs;
    },
    mark: (name: string) => entry(`${name}`, "mark", performanceNow(), 0),
    measure: (name: string) => entry(`${name}`, "measure", performanceNow(), 0),
  });

  const legalName = /^[a-zA-Z_]+[a-zA-Z0-9_]*$/;
  const readVariable = (name: string): string | undefined => {
    if (!legalName.test(name)) {
      throw new Error(
        `The environment variable name ${name} is invalid. Environment variable names must begin with a letter ` +
          "and may only include characters a-z, A-Z, 0-9, and underscores.",
      );
    }
    if (name.length > 256) {
      throw new Error(
        `The environment variable name ${name} is too long. Environment variable names must be less than 256.`,
      );
    }
    const value = Object.hasOwn(host.env, name) ? host.env[name] : undefined;
    if (value === undefined && state.kind === "authConfig") {
      throw new Error(`Environment variable ${name} is used in auth config file but its value was not set`);
    }
    return value;
  };
  const env = new Proxy(Object.create(null) as Record<string, string>, {
    get(_target, name) {
      if (typeof name === "symbol") return undefined;
      if (name === "inspect") return () => "[process.env]";
      return readVariable(name);
    },
    has: (_target, name) => typeof name === "string" && Object.hasOwn(host.env, name),
    ownKeys: () => ownKeys(host.env).map((name) => name),
    getOwnPropertyDescriptor(_target, name) {
      if (typeof name === "symbol" || !Object.hasOwn(host.env, name)) return undefined;
      return { value: host.env[name], writable: false, enumerable: true, configurable: true };
    },
    set: () => false,
    deleteProperty: () => false,
    defineProperty: () => false,
  });
  realm.define("process", { env });

  const refusedTimer = (name: string) => (): number => {
    const error = realm.refusal(name);
    if (state.phase !== "running") throw error;
    void Promise.reject(error);
    return 0;
  };
  realm.define("setTimeout", refusedTimer("setTimeout"));
  realm.define("setInterval", refusedTimer("setInterval"));
  realm.define("clearTimeout", () => undefined);
  realm.define("clearInterval", () => undefined);
  realm.define("fetch", () => Promise.reject(realm.refusal("fetch()")));

  class WeakRef {
    readonly #target: object;
    constructor(target: object) {
      this.#target = target;
    }
    deref(): object {
      return this.#target;
    }
  }
  class FinalizationRegistry {
    register(): void {}
    unregister(): boolean {
      return false;
    }
  }
  realm.define("WeakRef", WeakRef);
  realm.define("FinalizationRegistry", FinalizationRegistry);

  // Compilation off the thread would never come back within a run.
  const wasm = (globalThis as unknown as { WebAssembly?: Record<string, unknown> }).WebAssembly;
  if (wasm) {
    const Module = wasm["Module"] as new (bytes: unknown) => object;
    const Instance = wasm["Instance"] as new (module: object, imports?: object) => object;
    method(wasm, "compile", async (bytes: unknown) => new Module(bytes));
    method(wasm, "instantiate", async (source: unknown, imports?: object) => {
      if (source instanceof Module) return new Instance(source, imports);
      const module = new Module(source);
      return { module, instance: new Instance(module, imports) };
    });
    delete wasm["compileStreaming"];
    delete wasm["instantiateStreaming"];
  }

  class AsyncLocalStorage {
    readonly #storage: HostAsyncStorage = host.asyncStorage();
    run(store: unknown, callback: (...args: unknown[]) => unknown, ...args: unknown[]): unknown {
      return this.#storage.run(store, () => callback(...args));
    }
    exit(callback: (...args: unknown[]) => unknown, ...args: unknown[]): unknown {
      return this.#storage.exit(() => callback(...args));
    }
    getStore(): unknown {
      return this.#storage.getStore();
    }
    enterWith(store: unknown): void {
      this.#storage.enterWith(store);
    }
    disable(): void {
      this.#storage.disable();
    }
    static snapshot(): (callback: (...args: unknown[]) => unknown, ...args: unknown[]) => unknown {
      const inside = host.snapshot();
      return (callback, ...args) => inside(() => callback(...args));
    }
    static bind(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
      const inside = host.snapshot();
      return (...args) => inside(() => callback(...args));
    }
  }
  class AsyncResource {
    readonly type: string;
    readonly #inside = host.snapshot();
    constructor(type: string) {
      this.type = type;
    }
    runInAsyncScope(callback: (...args: unknown[]) => unknown, self?: unknown, ...args: unknown[]): unknown {
      return this.#inside(() => callback.apply(self, args));
    }
    bind(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
      return (...args) => this.#inside(() => callback(...args));
    }
    emitDestroy(): this {
      return this;
    }
    asyncId(): number {
      return 0;
    }
    triggerAsyncId(): number {
      return 0;
    }
    static bind(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
      return AsyncLocalStorage.bind(callback);
    }
  }
  realm.define("AsyncLocalStorage", AsyncLocalStorage);
  realm.define("AsyncResource", AsyncResource);
}
