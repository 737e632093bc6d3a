/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type {
  CrossingFailure,
  ExportTarget,
  ModuleFactory,
  ModuleRecord,
  QueuedSyscall,
  RealmControls,
  RealmHost,
  StockHooks,
} from "./realmTypes.ts";

/** Syscalls, the module linker and the entry call. See realmTypes.ts for how this file is run. */
export function installCore(host: RealmHost, realm: RealmControls): void {
  const { state } = host;
  const { apply, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
  const promiseThen = Promise.prototype.then;
  let queue: QueuedSyscall[] = [];
  Object.defineProperty(realm, "queue", {
    get: () => queue,
    set(value: QueuedSyscall[]) {
      queue = value;
    },
  });

  realm.canned = null;
  // Without the fast path, as in actions.
  realm.hookFunctions = () => undefined;
  realm.hookClasses = () => undefined;
  realm.enqueue = (op, args, resolve) => {
    queue.push({ op, args, resolve, reject: resolve as QueuedSyscall["reject"] });
  };
  realm.define = (name, value) => {
    defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  };
  realm.makeError = (failure: CrossingFailure) => {
    if (failure.name !== undefined) {
      if (failure.name === "TypeError") return new TypeError(failure.message);
      return new realm.DOMException(failure.message, failure.name);
    }
    const error = new Error(failure.message);
    if (failure.dataJson !== undefined) (error as { data?: unknown }).data = JSON.parse(failure.dataJson);
    return error;
  };
  realm.refusal = (what) => {
    if (state.phase !== "running") return new Error(`${what} unsupported at import time`);
    return new Error(
      `Can't use ${what} in queries and mutations. Please consider using an action. ` +
        "See https://docs.convex.dev/functions/actions for more details.",
    );
  };
  realm.notImplemented = (operation, className) => {
    const message =
      `Not implemented: ${operation} for ${className}. Consider calling an action defined in Node.js instead ` +
      "(https://docs.convex.dev/functions/actions).";
    state.fatal ??= { message };
    throw new Error(message);
  };

  const convex = {
    syscall(op: unknown, args: unknown): string {
      if (state.phase !== "running") throw new Error(host.importText(`${op as string}`));
      const outcome = host.syscall(`${op as string}`, `${args as string}`);
      if (typeof outcome === "string") return outcome;
      throw realm.makeError(outcome);
    },
    asyncSyscall(op: unknown, args: unknown): Promise<string> {
      return new Promise<string>((resolve, reject) => {
        const { canned } = realm;
        if (canned !== null) {
          realm.canned = null;
          reject(realm.makeError(canned));
        } else if (state.phase === "running") {
          const settle = resolve as QueuedSyscall["resolve"];
          queue.push({ op: `${op as string}`, args: `${args as string}`, resolve: settle, reject });
        } else {
          reject(new Error(host.importText(`${op as string}`)));
        }
      });
    },
    jsSyscall(op: unknown, args: unknown): Promise<unknown> {
      if (realm.jsSyscall !== undefined && state.phase === "running")
        return realm.jsSyscall(`${op as string}`, args);
      const names: Record<string, string> = {
        "storage/storeBlob": "storage.store()",
        "storage/getBlob": "storage.get()",
      };
      const name = names[`${op as string}`];
      return Promise.reject(
        name === undefined ? new Error(`Unknown JS syscall ${op as string}`) : realm.refusal(name),
      );
    },
  };
  defineProperty(globalThis, "Convex", { value: Object.freeze(convex), enumerable: false });
  defineProperty(globalThis, "self", { value: globalThis, writable: true, configurable: true });

  // The server's own frames lie between the synchronous and the asynchronous ones; formatStack drops them.
  Error.stackTraceLimit = 200;
  const NativeError = Error as ErrorConstructor & { prepareStackTrace?: unknown };
  defineProperty(NativeError, "prepareStackTrace", {
    value: (error: unknown, sites: NodeJS.CallSite[]) => host.formatStack(error, sites),
    writable: true,
    configurable: true,
    enumerable: false,
  });

  realm.newRecord = () => {
    const namespace = Object.create(null) as Record<string, unknown>;
    defineProperty(namespace, Symbol.toStringTag, { value: "Module" });
    const getters = Object.create(null) as Record<string, () => unknown>;
    return { namespace, getters, stock: null, steps: null };
  };
  realm.instantiate = (
    record: ModuleRecord,
    factory: ModuleFactory,
    imports: readonly ModuleRecord[],
    path: string,
  ) => {
    const namespaces = imports.map((item) => item.namespace);
    const meta = Object.create(null) as object;
    const dynamicImport = (specifier: unknown): Promise<unknown> => importDynamic(path, specifier);
    const register = (getters: ModuleRecord["getters"], stock?: StockHooks): void => {
      record.getters = getters;
      record.stock = stock ?? null;
    };
    record.steps = factory(register, namespaces, dynamicImport, meta);
    record.steps.next();
    // Before anything is evaluated, for importers copy what they import.
    if (record.stock !== null) realm.hookFunctions(record.stock);
  };
  realm.defineExports = (record: ModuleRecord, targets: readonly ExportTarget[]) => {
    for (const { name, record: holder, local } of targets) {
      const get = local === null ? () => holder.namespace : holder.getters[local]!;
      defineProperty(record.namespace, name, { get, enumerable: true, configurable: false });
    }
    Object.preventExtensions(record.namespace);
  };
  realm.evaluate = (record: ModuleRecord) => {
    const { steps } = record;
    record.steps = null;
    steps?.next();
    if (record.stock !== null) realm.hookClasses(record.stock);
  };

  async function importDynamic(referrer: string, specifier: unknown): Promise<unknown> {
    const outcome = host.importDynamic(referrer, `${specifier as string}`);
    if ("namespace" in outcome) return outcome.namespace;
    throw "thrown" in outcome ? outcome.thrown : realm.makeError(outcome);
  }

  realm.start = (namespace, exportName, kind, argsJson) => {
    if (!(exportName in namespace)) return "missing";
    const target = namespace[exportName] as Record<string, unknown> | null | undefined;
    const name = kind === "query" ? "invokeQuery" : "invokeMutation";
    const isFunction = (typeof target === "function" || typeof target === "object") && target !== null;
    const invoke = isFunction ? target[name] : undefined;
    if (typeof invoke !== "function") return "notAFunction";
    const onResolved = (value: unknown): void => {
      state.outcome = "resolved";
      state.result = value;
    };
    const onRejected = (error: unknown): void => {
      state.outcome = "rejected";
      state.error = error;
    };
    try {
      const promise: unknown = apply(invoke, target, [argsJson]);
      void apply(promiseThen, promise instanceof Promise ? promise : Promise.resolve(promise), [
        onResolved,
        onRejected,
      ]);
    } catch (error) {
      onRejected(error);
    }
    return "started";
  };
  realm.settle = (items) => {
    for (const { call, outcome } of items) {
      if (typeof outcome === "string" || typeof call.args !== "string") call.resolve(outcome);
      else call.reject(realm.makeError(outcome));
    }
  };

  interface Watched {
    readonly path: string;
    readonly object: object;
    readonly keys: readonly PropertyKey[];
    readonly descriptors: readonly (PropertyDescriptor | undefined)[];
  }
  const find = (path: string): unknown => {
    let at: unknown = globalThis;
    if (path === "globalThis") return at;
    for (const name of path.split(".")) {
      if (at === null || at === undefined) return undefined;
      at = (at as Record<string, unknown>)[name];
    }
    return at;
  };
  realm.snapshotGlobals = (paths) => {
    const watched: Watched[] = [];
    for (const path of paths) {
      const object = find(path);
      if ((typeof object !== "object" && typeof object !== "function") || object === null) continue;
      const keys = ownKeys(object);
      watched.push({
        path,
        object,
        keys,
        descriptors: keys.map((key) => getOwnPropertyDescriptor(object, key)),
      });
    }
    return watched;
  };
  realm.globalsUnchanged = (snapshot) => {
    for (const { path, object, keys, descriptors } of snapshot as Watched[]) {
      if (find(path) !== object || ownKeys(object).length !== keys.length) return false;
      for (let i = 0; i < keys.length; i++) {
        const now = getOwnPropertyDescriptor(object, keys[i]!);
        const before = descriptors[i];
        if (!now || !before || now.get !== before.get || now.set !== before.set) return false;
        if (!Object.is(now.value, before.value)) return false;
      }
    }
    return true;
  };
}
