import ts from "typescript";
import type { Report } from "./rules.ts";
import { queryChainOf } from "./queries.ts";
import { callsOf, methodOf, type Sources } from "./sources.ts";

interface Index {
  readonly name: string;
  readonly fields: readonly string[];
  readonly node: ts.Node;
}

/** Every index is read by a query, and none says the same as the beginning of another one of its table. */
export function indexProblems(sources: Sources, report: Report): void {
  const schema = sources.files.get("schema.ts");
  if (schema === undefined) return;
  const used = usedIndexes(sources);
  for (const [table, indexes] of indexesByTable(schema)) {
    for (const { name, node, fields } of indexes) {
      if (!used.has(`${table}.${name}`)) report(node, "used-indexes", `No query uses the index ${name}`);
      const covering = indexes.find((other) => other.node !== node && startsWith(other.fields, fields));
      if (covering !== undefined)
        report(node, "used-indexes", `The index ${name} is the beginning of ${covering.name}`);
    }
  }
}

/** "table.index" of all indexes that a query names. */
function usedIndexes(sources: Sources): Set<string> {
  const used = new Set<string>();
  for (const source of sources.files.values())
    for (const call of callsOf(source)) {
      const [name] = call.arguments;
      if (!["withIndex", "withSearchIndex"].includes(methodOf(call) ?? "") || name === undefined) continue;
      if (ts.isStringLiteralLike(name)) used.add(`${queryChainOf(call)?.table}.${name.text}`);
    }
  return used;
}

/** Of the form `name: defineTable(...).index("by_x", ["x"])`. */
function indexesByTable(schema: ts.SourceFile): Map<string, Index[]> {
  const tables = new Map<string, Index[]>();
  for (const call of callsOf(schema)) {
    const kind = methodOf(call);
    if (kind !== "index" && kind !== "searchIndex") continue;
    const [name, fields] = call.arguments;
    if (name === undefined || !ts.isStringLiteralLike(name)) continue;
    const table = tableOf(call);
    const names =
      kind === "index" && fields !== undefined && ts.isArrayLiteralExpression(fields)
        ? fields.elements.filter((element) => ts.isStringLiteralLike(element)).map(({ text }) => text)
        : [];
    tables.set(table, [...(tables.get(table) ?? []), { name: name.text, fields: names, node: name }]);
  }
  return tables;
}

function tableOf(call: ts.Node): string {
  let node = call;
  while (!ts.isPropertyAssignment(node) && !ts.isSourceFile(node)) node = node.parent;
  return ts.isPropertyAssignment(node) ? node.name.getText() : "";
}

function startsWith(long: readonly string[], short: readonly string[]): boolean {
  return short.length > 0 && short.length < long.length && short.every((field, at) => long[at] === field);
}
