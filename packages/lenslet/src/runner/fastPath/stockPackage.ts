import { createHash } from "node:crypto";
import { tokenizer } from "acorn";
import type { AnyNode, Program } from "acorn";
import { knownImplementations } from "./knownImplementations.ts";

/** A function or class of the `convex` package inside a bundled module. */
export interface StockBinding {
  /** Its name in the package, e.g. "performAsyncSyscall". */
  readonly name: string;
  /** Its name in the module, where identifiers are minified. */
  readonly local: string;
  /** A function declaration can be replaced by an assignment; a class only be looked at. */
  readonly isFunction: boolean;
}

interface Candidate extends StockBinding {
  readonly text: string;
}

/** Names by file of the package: what the fast path replaces, and what it relies on to be as it knows it. */
export const stockNames: Readonly<Record<string, readonly string[]>> = {
  "common/index": ["isSimpleObject"],
  "values/value": [
    "isSpecial",
    "validateObjectField",
    "jsonToConvex",
    "convexToJsonInternal",
    "convexOrUndefinedToJsonInternal",
    "convexToJson",
    "convexOrUndefinedToJson",
    "patchValueToJson",
  ],
  "server/impl/syscall": ["performSyscall", "performAsyncSyscall"],
  "server/impl/authentication_impl": ["setupAuth", "setupMutationAuth"],
  "server/impl/storage_impl": ["setupStorageReader", "setupStorageWriter"],
  "server/impl/scheduler_impl": ["setupMutationScheduler"],
  "server/impl/meta_impl": ["setupQueryMeta", "setupMutationMeta"],
  "server/impl/query_impl": ["QueryImpl"],
  "server/impl/database_impl": ["get", "setupReader", "insert", "patch", "replace", "delete_", "setupWriter"],
  "server/impl/registration_impl": ["invokeMutation", "validateReturnValue", "invokeFunction", "invokeQuery"],
};

/**
 * The parts of the `convex` package in a module that the official CLI has bundled, found by esbuild's file comments and
 * kept names. Null when one differs from the implementations known to `knownImplementations.ts`, for then the fast path
 * could change what it does.
 */
export function findStockBindings(source: string, program: Program): readonly StockBinding[] | null {
  if (!source.includes("convex/dist/esm/")) return [];
  const found = candidates(source, program);
  for (const { name, text } of found) {
    if (knownImplementations[name]?.includes(fingerprint(text)) !== true) return null;
  }
  const names = new Set(found.map(({ name }) => name));
  return names.size < found.length
    ? null
    : found.map(({ name, local, isFunction }) => ({ name, local, isFunction }));
}

/** For `knownImplementations.ts`: name → fingerprint of what a bundled module holds. */
export function stockFingerprints(source: string, program: Program): Record<string, string> {
  return Object.fromEntries(candidates(source, program).map(({ name, text }) => [name, fingerprint(text)]));
}

function candidates(source: string, program: Program): Candidate[] {
  const files = fileMarks(source);
  const keptNames = collectKeptNames(program);
  const found: Candidate[] = [];
  const add = (local: string, node: AnyNode, isFunction: boolean, name: string): void => {
    const wanted = stockNames[fileAt(files, node.start) ?? ""];
    if (wanted?.includes(name) === true)
      found.push({ name, local, isFunction, text: source.slice(node.start, node.end) });
  };
  for (const statement of program.body) {
    if (statement.type === "FunctionDeclaration") {
      const { name } = statement.id;
      add(name, statement, true, keptNames.get(name) ?? name);
    } else if (statement.type === "VariableDeclaration") {
      for (const { id, init } of statement.declarations) {
        if (id.type !== "Identifier" || init?.type !== "ClassExpression") continue;
        add(id.name, init, false, keptClassName(init) ?? id.name);
      }
    }
  }
  return found;
}

/** esbuild puts the path of each bundled file before its code, as a comment at the beginning of a line. */
function fileMarks(source: string): { readonly at: number; readonly file: string | null }[] {
  const marks: { at: number; file: string | null }[] = [];
  for (const match of source.matchAll(/^\/\/ (.*)$/gm)) {
    const file = /(?:^|\/)convex\/dist\/esm\/(.+)\.js$/.exec(match[1] ?? "")?.[1] ?? null;
    marks.push({ at: match.index, file });
  }
  return marks;
}

function fileAt(marks: readonly { readonly at: number; readonly file: string | null }[], position: number) {
  let file: string | null = null;
  for (const mark of marks) {
    if (mark.at > position) break;
    file = mark.file;
  }
  return file;
}

/** `n(lr, "invokeMutation")` at the top level: minified name → name. */
function collectKeptNames(program: Program): Map<string, string> {
  const names = new Map<string, string>();
  for (const statement of program.body) {
    if (statement.type !== "ExpressionStatement") continue;
    const kept = keptName(statement.expression);
    if (kept?.of.type === "Identifier") names.set(kept.of.name, kept.name);
  }
  return names;
}

/** `static { n(this, "QueryImpl"); }` */
function keptClassName(node: AnyNode & { type: "ClassExpression" }): string | null {
  const [first] = node.body.body;
  const statement = first?.type === "StaticBlock" ? first.body[0] : undefined;
  if (statement?.type !== "ExpressionStatement") return null;
  const kept = keptName(statement.expression);
  return kept?.of.type === "ThisExpression" ? kept.name : null;
}

function keptName(expression: AnyNode): { of: AnyNode; name: string } | null {
  if (expression.type !== "CallExpression" || expression.arguments.length !== 2) return null;
  const [of, name] = expression.arguments;
  if (of === undefined || name?.type !== "Literal" || typeof name.value !== "string") return null;
  return { of, name: name.value };
}

/** Of the code's tokens, whatever its variables are called: a minifier names them differently in each bundle. */
function fingerprint(text: string): string {
  const names = new Map<string, string>();
  const parts: string[] = [];
  const tokens = [...tokenizer(text, { ecmaVersion: "latest" })];
  tokens.forEach(({ type, start, end }, i) => {
    const isProperty = tokens[i - 1]?.type.label === "." || tokens[i - 1]?.type.label === "?.";
    const isKey = tokens[i + 1]?.type.label === ":" && tokens[i - 1]?.type.label !== "?";
    const token = text.slice(start, end);
    if (type.label !== "name" || isProperty || isKey) {
      parts.push(token);
      return;
    }
    const known = names.get(token) ?? `$${names.size}`;
    names.set(token, known);
    parts.push(known);
  });
  return createHash("sha256").update(parts.join(" ")).digest("hex").slice(0, 16);
}
