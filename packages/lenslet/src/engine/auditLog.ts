import { badRequest } from "../base/errors.ts";
import { invalidArgument, isJsonObject } from "../transaction/syscallArguments.ts";
import type { JsonValue } from "../values/json.ts";
import type { Identity } from "./api.ts";

/** limits.md #72 - #74 */
const lineBytesMax = 100_000;
const allBytesMax = 4_000_000;
const linesMax = 500;

const op = "auditLog";
/** What the variables of a line stand for. */
interface AuditScope {
  readonly identity: Identity;
  readonly requestId: string;
  readonly client: { readonly ip: string | null; readonly userAgent: string | null };
  readonly nowMs: number;
}

type Variables = Readonly<Record<string, JsonValue>>;

/** What the functions of one top-level call have written with `1.0/auditLog` (functions.md §19). */
export class AuditLog {
  readonly #lines: JsonValue[] = [];
  #bytes = 0;

  get lines(): readonly JsonValue[] {
    return this.#lines;
  }

  /** Throws AuditLogLineTooLarge, AuditLogLinesTooLarge, TooManyAuditLogLines. */
  write(body: JsonValue | undefined, context: AuditScope): void {
    if (!isJsonObject(body)) throw invalidArgument(op, "body", "The body must be an object.");
    if (this.#lines.length >= linesMax) {
      throw badRequest(
        "TooManyAuditLogLines",
        `Function execution exceeded the maximum of ${linesMax} audit log lines.`,
      );
    }
    const line = resolve(body, variablesOf(context));
    const bytes = Buffer.byteLength(JSON.stringify(line));
    if (bytes > lineBytesMax) {
      throw badRequest(
        "AuditLogLineTooLarge",
        `An audit log line may have a maximum possible size of ${lineBytesMax} bytes, but this line could be up to ${bytes} bytes.`,
      );
    }
    if (this.#bytes + bytes > allBytesMax) {
      throw badRequest(
        "AuditLogLinesTooLarge",
        `The total maximum possible size of audit log lines from a single function execution is ${allBytesMax} bytes, but this execution could produce up to ${this.#bytes + bytes} bytes.`,
      );
    }
    this.#bytes += bytes;
    this.#lines.push(line);
  }
}

function variablesOf({ requestId, client, nowMs, identity }: AuditScope): Variables {
  return {
    requestId,
    ip: client.ip,
    userAgent: client.userAgent,
    now: nowMs,
    // Who holds the admin key is not known by name.
    convexActor: identity.kind === "admin" ? { kind: "admin" } : null,
  };
}

/** Replaces `{"$var": name}`. Other keys that start with "$" are refused. */
function resolve(value: JsonValue, variables: Variables): JsonValue {
  if (Array.isArray(value)) return value.map((element) => resolve(element as JsonValue, variables));
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === "$var") {
    const name = first[1];
    if (typeof name === "string" && Object.hasOwn(variables, name)) return variables[name]!;
    throw invalidArgument(op, "body", `Unknown variable ${JSON.stringify(name)}.`);
  }
  for (const [key] of entries) {
    if (key.startsWith("$")) {
      throw invalidArgument(op, "body", `Audit log body keys must not start with "$": "${key}"`);
    }
  }
  return Object.fromEntries(entries.map(([key, element]) => [key, resolve(element, variables)]));
}
