import type { CrossingFailure, RealmControls, RealmHost, StockHooks } from "../realm/realmTypes.ts";

/**
 * The fast path, compiled inside every context (realmTypes.ts says how). Leaf functions of the bundled `convex` package
 * are replaced by ones that do the same with less: no JSON text between user code and database, no conversion of
 * what is plain already, one step instead of a syscall per row. Everything above them, with its awaits, its errors and
 * its stack frames, stays the package's own code; and whatever is unusual is handed to the replaced function.
 */
export function installFastPath(host: RealmHost, realm: RealmControls): void {
  type Json = Record<string, unknown>;
  type Function = (...args: unknown[]) => unknown;
  type Hook = (original: Function) => Function;
  const { state } = host;
  const { parse } = JSON;
  const { keys: keysOf, getPrototypeOf, prototype: plainPrototype } = Object;
  const { isArray } = Array;
  const { isFinite } = Number;
  const { apply } = Reflect;
  const aMoment = Promise.resolve();

  /** A value decoded already, on its way from a syscall to `jsonToConvex`: user code never sees one. */
  class Decoded {
    readonly value: unknown;
    constructor(value: unknown) {
      this.value = value;
    }
  }
  const mayBeSpecial = (text: string): boolean => text.includes('"$') || text.includes('"__proto__"');

  // ---- values ---------------------------------------------------------------------------------------------------

  /** The limits of values.md §3, within which a result needs no second look. */
  const nestingMax = 60;
  const elementsMax = 8192;
  const fieldsMax = 1024;
  const unusual = Symbol("unusual");
  let isBounded = true;

  function isFieldName(name: string): boolean {
    if (name.length > 1024 || name === "__proto__") return false;
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i);
      if (code < 32 || code >= 127 || (i === 0 && code === 36)) return false;
    }
    return true;
  }

  /** What `convexToJson` makes of a value of plain data; `unusual` for anything else. */
  function encode(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        return isFinite(value) && (value !== 0 || 1 / value > 0) ? value : unusual;
      case "object":
        break;
      default:
        return unusual;
    }
    if (value === null) return null;
    if (depth > nestingMax) return unusual;
    if (isArray(value)) return encodeArray(value, depth);
    const prototype: unknown = getPrototypeOf(value);
    if (prototype !== plainPrototype && prototype !== null) return unusual;
    const names = keysOf(value);
    for (let i = 1; i < names.length; i++) {
      if (names[i - 1]! > names[i]!) {
        names.sort();
        break;
      }
    }
    if (names.length > fieldsMax) isBounded = false;
    const object: Json = {};
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      const field = (value as Json)[name];
      if (field === undefined) continue;
      if (!isFieldName(name)) return unusual;
      const first = name.charCodeAt(0);
      // Objects keep such names in another order than texts do.
      if (first >= 48 && first <= 57) isBounded = false;
      const encoded = encode(field, depth + 1);
      if (encoded === unusual) return unusual;
      object[name] = encoded;
    }
    return object;
  }
  function encodeArray(value: readonly unknown[], depth: number): unknown {
    if (value.length > elementsMax) isBounded = false;
    const array: unknown[] = [];
    for (let i = 0; i < value.length; i++) {
      const encoded = encode(value[i], depth + 1);
      if (encoded === unusual) return unusual;
      array.push(encoded);
    }
    return array;
  }

  /** What `jsonToConvex` makes of plain JSON: a copy; `unusual` for anything else. */
  function decode(json: unknown): unknown {
    switch (typeof json) {
      case "string":
      case "boolean":
      case "number":
        return json;
      case "object":
        break;
      default:
        return unusual;
    }
    if (json === null) return null;
    if (isArray(json)) {
      const array: unknown[] = [];
      for (let i = 0; i < json.length; i++) {
        const decoded = decode(json[i]);
        if (decoded === unusual) return unusual;
        array.push(decoded);
      }
      return array;
    }
    const object: Json = {};
    for (const name of keysOf(json)) {
      if (!isFieldName(name)) return unusual;
      const decoded = decode((json as Json)[name]);
      if (decoded === unusual) return unusual;
      object[name] = decoded;
    }
    return object;
  }

  // ---- syscalls ---------------------------------------------------------------------------------------------------

  /** What the package itself has encoded: arrays in it may have holes, which only a text makes nulls of. */
  const holey = new WeakSet<object>();
  function encodedByPackage(original: Function, value: unknown): unknown {
    const json = original(value);
    if (typeof json === "object" && json !== null) holey.add(json);
    return json;
  }
  const isPlain = (json: unknown): boolean => !holey.has(json as object);

  const isTable = (table: unknown): boolean => table === undefined || typeof table === "string";
  function isCleanQuery(query: unknown): boolean {
    const { source, operators } = query as { source: Json; operators: Json[] };
    const { type, order } = source;
    if (type === "FullTableScan") {
      if (typeof source["tableName"] !== "string") return false;
    } else if (type !== "IndexRange") return false;
    else {
      for (const { fieldPath, value } of source["range"] as Json[])
        if (typeof fieldPath !== "string" || !isPlain(value)) return false;
    }
    if (order !== null && typeof order !== "string") return false;
    for (const operator of operators) if (typeof operator["limit"] !== "number") return false;
    return true;
  }
  /** Arguments that hold nothing of user code's own: the host takes them as they are. */
  const isClean: Readonly<Record<string, (arg: Json) => boolean>> = {
    __proto__: null as never,
    "1.0/get": ({ table }) => isTable(table),
    "1.0/queryStreamNext": () => true,
    "1.0/insert": ({ table, value }) => typeof table === "string" && isPlain(value),
    "1.0/shallowMerge": ({ table, value }) => isTable(table) && isPlain(value),
    "1.0/replace": ({ table, value }) => isTable(table) && isPlain(value),
    "1.0/remove": ({ table }) => isTable(table),
  };
  /** Rows of open queries that were fetched ahead, by query id: parsed answers of `queryStreamNext`. */
  const fetched = new Map<unknown, Json[]>();

  function ask(op: string, args: Json): Promise<string | CrossingFailure> {
    return new Promise((resolve) => realm.enqueue(op, args, resolve));
  }
  function answerOf(op: string, text: string): unknown {
    if (op === "1.0/shallowMerge" || op === "1.0/replace" || op === "1.0/remove") return null;
    const json: unknown = parse(text);
    if (json === null || mayBeSpecial(text)) return json;
    if (op !== "1.0/queryStreamNext") return new Decoded(json);
    const { value, done } = json as Json;
    return { value: value === null ? null : new Decoded(value), done };
  }
  /** A failure is thrown when and as the package would: of two that race, the same one has to come first. */
  async function performFast(original: Function, op: string, args: Json): Promise<unknown> {
    const outcome = await ask(op, args);
    if (typeof outcome === "string") return answerOf(op, outcome);
    if (outcome.dataJson === undefined) throw new Error(outcome.message);
    // Its class is the package's own.
    realm.canned = outcome;
    return await original(op, args);
  }

  const performAsyncSyscall: Hook = (original) => (op, arg) => {
    if (!state.fast || realm.canned !== null) return original(op, arg);
    const args = arg as Json;
    if (op === "1.0/queryStreamNext") {
      const rows = fetched.get(args["queryId"]);
      if (rows !== undefined && rows.length > 0) return Promise.resolve(rows.shift());
    }
    return isClean[op as string]?.(args) === true
      ? performFast(original, op as string, args)
      : original(op, arg);
  };
  const performSyscall: Hook = (original) => (op, arg) => {
    if (!state.fast) return original(op, arg);
    const args = arg as Json;
    if (op === "1.0/queryStream") {
      if (realm.canned !== null) return { queryId: -1 };
      if (!isCleanQuery(args["query"])) return original(op, arg);
    } else if (op !== "1.0/queryCleanup") return original(op, arg);
    const outcome = host.fastSyscall(op, args);
    return typeof outcome === "string" ? parse(outcome) : original(op, arg);
  };

  // ---- queries that are read to their end -----------------------------------------------------------------------

  interface Query {
    state: { type: string; query?: unknown; queryId?: unknown };
    next(): Promise<IteratorResult<unknown>>;
  }
  const collect: Hook = (original) =>
    function (this: Query) {
      const { type, query } = this.state;
      if (!state.fast || type !== "preparing" || !isCleanQuery(query)) return apply(original, this, []);
      const opened = host.fastSyscall("1.0/queryStream", { query });
      if (typeof opened !== "string") return apply(original, this, []);
      const { queryId } = parse(opened) as Json;
      this.state = { type: "executing", queryId };
      return readRows(original, this, query, queryId);
    } as Function;
  /**
   * All rows are one answer when nothing else of the function could run between them (`Realm` knows), for then nobody
   * can tell; otherwise they come one by one, as the package asks for them.
   */
  async function readRows(
    original: Function,
    query: Query,
    source: unknown,
    queryId: unknown,
  ): Promise<unknown> {
    const outcome = await ask("1.0/queryStreamNext", { queryId, all: true });
    if (typeof outcome !== "string") {
      if (outcome.dataJson === undefined) {
        // As late as it comes through the package's `next` and the loop around it.
        await aMoment;
        await aMoment;
        throw new Error(outcome.message);
      }
      query.state = { type: "preparing", query: source };
      realm.canned = outcome;
      return await (apply(original, query, []) as Promise<unknown>);
    }
    const isAll = outcome.charCodeAt(0) === 91;
    if (isAll && !mayBeSpecial(outcome)) {
      query.state = { type: "consumed" };
      return parse(outcome);
    }
    const answer: unknown = isAll ? parse(outcome) : answerOf("1.0/queryStreamNext", outcome);
    const rows = isAll
      ? (answer as unknown[]).map((value): Json => ({ value, done: false }))
      : [answer as Json];
    if (isAll) rows.push({ value: null, done: true });
    fetched.set(queryId, rows);
    const all: unknown[] = [];
    for await (const row of { [Symbol.asyncIterator]: () => ({ next: () => query.next() }) }) all.push(row);
    fetched.delete(queryId);
    return all;
  }

  // ---- ctx ----------------------------------------------------------------------------------------------------------

  /** Its functions keep nothing, so they are made once for a context; the objects belong to a run. */
  const madeOnce: Hook = (original) => {
    const made = new Map<unknown, Json>();
    return (argument) => {
      if (!state.fast) return original(argument);
      let object = made.get(argument);
      if (object === undefined) {
        object = original(argument) as Json;
        made.set(argument, object);
      }
      const copy = { ...object };
      if (copy["system"] !== undefined) copy["system"] = { ...(copy["system"] as Json) };
      if (copy["vars"] !== undefined) copy["vars"] = { ...(copy["vars"] as Json) };
      return copy;
    };
  };

  // ---- the package's functions -----------------------------------------------------------------------------------

  /** Set between `validateReturnValue` and the encoding of what it looked at. */
  let isResultNext = false;
  const hooks: Readonly<Record<string, Hook>> = {
    __proto__: null as never,
    performSyscall,
    performAsyncSyscall,
    jsonToConvex: (original) => (json) => {
      if (json instanceof Decoded) return json.value;
      const decoded = state.fast ? decode(json) : unusual;
      return decoded === unusual ? original(json) : decoded;
    },
    convexToJson: (original) => (value) => {
      const isResult = isResultNext;
      isResultNext = false;
      if (!state.fast) return original(value);
      isBounded = true;
      const encoded = encode(value, 1);
      if (isResult) state.isPlainResult = encoded !== unusual && isBounded;
      return encoded === unusual ? encodedByPackage(original, value) : encoded;
    },
    convexOrUndefinedToJson: (original) => (value) => {
      const encoded = state.fast ? encode(value, 1) : unusual;
      return encoded === unusual ? encodedByPackage(original, value) : encoded;
    },
    patchValueToJson: (original) => (value) => {
      const isPatch = typeof value === "object" && value !== null && !isArray(value);
      // The only one to tell fields that are undefined from those that are missing.
      const removes = isPatch && keysOf(value).some((name) => (value as Json)[name] === undefined);
      const encoded = state.fast && isPatch && !removes ? encode(value, 1) : unusual;
      return encoded === unusual ? encodedByPackage(original, value) : encoded;
    },
    validateReturnValue: (original) => (value) => {
      original(value);
      isResultNext = true;
    },
    setupReader: madeOnce,
    setupWriter: madeOnce,
    setupAuth: madeOnce,
    setupMutationAuth: madeOnce,
    setupStorageReader: madeOnce,
    setupStorageWriter: madeOnce,
    setupMutationScheduler: madeOnce,
    setupQueryMeta: madeOnce,
    setupMutationMeta: madeOnce,
  };

  realm.hookFunctions = (stock: StockHooks) => {
    for (const name of keysOf(stock)) {
      const { get, set } = stock[name]!;
      const hook = hooks[name];
      if (hook !== undefined && set !== undefined) set(hook(get() as Function));
    }
  };
  realm.hookClasses = (stock: StockHooks) => {
    const query = stock["QueryImpl"]?.get() as { prototype: { collect: Function } } | undefined;
    if (query !== undefined) query.prototype.collect = collect(query.prototype.collect);
  };
  realm.endFastRun = () => {
    realm.canned = null;
    isResultNext = false;
    if (fetched.size > 0) fetched.clear();
  };
}
