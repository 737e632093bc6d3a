/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type { LogLevel } from "../types.ts";
import type { RealmControls, RealmHost } from "./realmTypes.ts";

/** `console`, rendering its arguments like the object-inspect package. See realmTypes.ts for how this file is run. */
export function installConsole(host: RealmHost, realm: RealmControls): void {
  const stringLengthMax = 32_768;
  const depthMax = 5;
  const objectToString = Object.prototype.toString;
  const controls: Record<string, string> = {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
  };

  const quote = (text: string): string => {
    if (text.length > stringLengthMax) {
      const left = text.length - stringLengthMax;
      return `${quote(text.slice(0, stringLengthMax))}... ${left} more character${left > 1 ? "s" : ""}`;
    }
    // eslint-disable-next-line no-control-regex -- escaping them is the purpose
    const escaped = text.replace(/['\\]/g, "\\$&").replace(/[\x00-\x1f]/g, (character) => {
      const hex = character.charCodeAt(0).toString(16).toUpperCase();
      return controls[character] ?? `\\x${hex.padStart(2, "0")}`;
    });
    return `'${escaped}'`;
  };
  const keyText = (key: PropertyKey): string => {
    if (typeof key === "symbol") return `[${key.toString()}]`;
    const text = String(key);
    return /[^\w$]/.test(text) ? quote(text) : text;
  };
  /** One line unless an item has several. */
  const enclose = (open: string, items: readonly string[], close: string, pad: string): string => {
    if (!items.some((item) => item.includes("\n"))) return `${open}${pad}${items.join(", ")}${pad}${close}`;
    return `${open}\n  ${items.join(",\n").replaceAll("\n", "\n  ")}\n${close}`;
  };

  const inspect = (value: unknown, depth: number, seen: readonly object[]): string => {
    switch (typeof value) {
      case "undefined":
        return "undefined";
      case "boolean":
        return value ? "true" : "false";
      case "number":
        return Object.is(value, -0) ? "-0" : String(value);
      case "bigint":
        return `${value}n`;
      case "string":
        return quote(value);
      case "symbol":
        return value.toString();
      default:
        break;
    }
    if (value === null) return "null";
    const object = value as object;
    if (depth >= depthMax) return Array.isArray(object) ? "[Array]" : "[Object]";
    if (seen.includes(object)) return "[Circular]";
    try {
      return inspectObject(object, depth, [...seen, object]);
    } catch (error) {
      return `[${error instanceof Error ? error.message : "object that cannot be inspected"}]`;
    }
  };

  const properties = (object: object, depth: number, seen: readonly object[]): string[] => {
    const items: string[] = [];
    const keys: PropertyKey[] = Object.keys(object);
    for (const symbol of Object.getOwnPropertySymbols(object)) {
      if (Object.prototype.propertyIsEnumerable.call(object, symbol)) keys.push(symbol);
    }
    for (const key of keys) {
      if (Array.isArray(object) && typeof key === "string" && /^\d+$/.test(key)) continue;
      const text = inspect((object as Record<PropertyKey, unknown>)[key], depth + 1, seen);
      items.push(`${keyText(key)}: ${text}`);
    }
    return items;
  };

  const inspectObject = (object: object, depth: number, seen: readonly object[]): string => {
    const custom = (object as { inspect?: unknown }).inspect;
    if (typeof custom === "function" && typeof object !== "function") {
      const text: unknown = custom.call(object, depthMax - depth, {}, (inner: unknown) =>
        inspect(inner, depth, seen),
      );
      return typeof text === "string" ? text : inspect(text, depth + 1, seen);
    }
    if (typeof object === "function") {
      const { name } = object as { name: string };
      const items = properties(object, depth, seen);
      const tag = `[Function${name ? `: ${name}` : " (anonymous)"}]`;
      return items.length === 0 ? tag : enclose(`${tag} {`, items, "}", " ");
    }
    if (Array.isArray(object)) {
      const items: string[] = [];
      for (let i = 0; i < object.length; i++)
        items.push(i in object ? inspect(object[i], depth + 1, seen) : "");
      items.push(...properties(object, depth, seen));
      return items.length === 0 ? "[]" : enclose("[", items, "]", " ");
    }
    if (object instanceof Error) return inspectError(object, depth, seen);
    if (object instanceof Date || object instanceof RegExp) return String(object);
    if (object instanceof Map) {
      const items = [...object].map(
        ([key, item]) => `${inspect(key, depth + 1, seen)} => ${inspect(item, depth + 1, seen)}`,
      );
      return enclose(`Map (${object.size}) {`, items, "}", "");
    }
    if (object instanceof Set) {
      const items = [...object].map((item) => inspect(item, depth + 1, seen));
      return enclose(`Set (${object.size}) {`, items, "}", "");
    }
    const kind = objectToString.call(object).slice(8, -1);
    if (kind === "WeakMap" || kind === "WeakSet" || kind === "WeakRef") return `${kind} { ? }`;
    if (object instanceof Number || object instanceof String || object instanceof Boolean) {
      return `Object(${inspect(object.valueOf(), depth, seen)})`;
    }
    const prototype: unknown = Object.getPrototypeOf(object);
    const constructor = (object as { constructor?: unknown }).constructor;
    const isPlain = prototype === Object.prototype;
    const className =
      !isPlain && typeof constructor === "function" && constructor.name ? `${constructor.name} ` : "";
    const ownTag = !isPlain && Symbol.toStringTag in object && kind !== className.trim() ? `[${kind}] ` : "";
    const tag = prototype === null ? "[Object: null prototype] " : className + ownTag;
    const items = properties(object, depth, seen);
    return items.length === 0 ? `${tag}{}` : enclose(`${tag}{`, items, "}", " ");
  };

  const inspectError = (error: Error, depth: number, seen: readonly object[]): string => {
    const stack = typeof error.stack === "string" && error.stack !== "" ? error.stack : `[${String(error)}]`;
    const items = properties(error, depth, seen).filter((item) => !item.startsWith("name: "));
    if ("cause" in error && !Object.prototype.propertyIsEnumerable.call(error, "cause")) {
      items.unshift(`[cause]: ${inspect(error.cause, depth + 1, seen)}`);
    }
    return items.length === 0 ? stack : enclose(`${stack} {`, items, "}", " ");
  };

  const write = (level: LogLevel, parts: readonly string[]): void => host.log(level, parts);
  const render = (args: readonly unknown[]): string[] => args.map((argument) => inspect(argument, 0, []));
  const method =
    (level: LogLevel) =>
    (...args: unknown[]): void =>
      write(level, render(args));

  const timers = new Map<string, number>();
  const report = (label: string, args: readonly unknown[]): boolean => {
    const started = timers.get(label);
    if (started === undefined) {
      write("WARN", [`Timer '${label}' does not exist`]);
      return false;
    }
    const elapsed = Math.round((host.monotonicMs() - started) * 1000) / 1000;
    write("INFO", [`${label}: ${elapsed}ms`, ...render(args)]);
    return true;
  };
  const console = {
    debug: method("DEBUG"),
    error: method("ERROR"),
    info: method("INFO"),
    log: method("LOG"),
    warn: method("WARN"),
    trace(...args: unknown[]): void {
      const { stack } = new Error();
      const frames = (stack ?? "").split("\n").slice(1).join("\n");
      write("LOG", [...render(args), frames]);
    },
    time(label: unknown = "default"): void {
      const name = String(label);
      if (timers.has(name)) write("WARN", [`Timer '${name}' already exists`]);
      else timers.set(name, host.monotonicMs());
    },
    timeLog(label: unknown = "default", ...args: unknown[]): void {
      report(String(label), args);
    },
    timeEnd(label: unknown = "default"): void {
      const name = String(label);
      if (report(name, [])) timers.delete(name);
    },
  };
  realm.resetConsole = () => timers.clear();
  realm.define("console", console);
}
