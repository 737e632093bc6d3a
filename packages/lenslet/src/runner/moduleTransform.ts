import type { AnyNode } from "acorn";
import { defaultLocal } from "./moduleSyntax.ts";
import type { ParsedModule } from "./moduleSyntax.ts";
import { analyseScopes } from "./scope.ts";

/**
 * Turns a module into a script: a generator function that the realm's linker drives. `vm.SourceTextModule` is not
 * used because its instances are never freed (Node 24.21: 100 KB and more each), while scripts are, and one compiled
 * script serves every context.
 *
 *     (function* (exports, imports, dynamicImport, meta) { "use strict"; exports({"x": () => x}); yield; const {"a": t} = imports[0];
 *     ...the module, import and export declarations blanked...
 *     })
 *
 * The first `next()` registers the exports (functions are hoisted by then), the second runs the body. A module that
 * holds the `convex` package also registers how to reach its functions, for the fast path. Imports are
 * copied into constants; those in `live` (import cycles, bindings that change later) are read through the namespace.
 */
export interface TransformedModule {
  readonly code: string;
  readonly positions: PositionMap;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export function transformModule(module: ParsedModule, live: ReadonlySet<string>): TransformedModule {
  const edits: Edit[] = [];
  for (const statement of module.program.body) collectStatementEdits(statement, module.source, edits);
  for (const node of module.dynamicImports) {
    edits.push({ start: node.start, end: node.start + "import".length, text: "__lensletImport" });
  }
  for (const node of module.importMetas)
    edits.push({ start: node.start, end: node.end, text: "__lensletMeta" });
  if (live.size > 0) collectLiveEdits(module, live, edits);
  edits.sort((a, b) => a.start - b.start);
  const { text, positions } = applyEdits(module.source, edits);
  return { code: `${header(module, live)}\n${text}\n})`, positions };
}

function header(module: ParsedModule, live: ReadonlySet<string>): string {
  const getters = module.exports.flatMap((item) =>
    item.kind === "local" ? [`${JSON.stringify(item.local)}:()=>${item.local}`] : [],
  );
  const namespaces: string[] = [];
  const copies: string[] = [];
  for (const item of module.imports) {
    const from = importObject(module, item.specifier);
    if (item.imported === "*") namespaces.push(`const ${item.local}=${from};`);
    else if (!live.has(item.local))
      copies.push(`const {${JSON.stringify(item.imported)}:${item.local}}=${from};`);
  }
  const start = `(function*(__lensletExports,__lensletImports,__lensletImport,__lensletMeta){"use strict";`;
  const stock = stockHooks(module);
  return `${start}${namespaces.join("")}__lensletExports({${getters.join(",")}}${stock});yield;${copies.join("")}`;
}

function stockHooks({ stock }: ParsedModule): string {
  if (stock === null || stock.length === 0) return "";
  const hooks = stock.map(({ name, local, isFunction }) => {
    const set = isFunction ? `,set:(__lensletNew)=>{${local}=__lensletNew}` : "";
    return `${JSON.stringify(name)}:{get:()=>${local}${set}}`;
  });
  return `,{${hooks.join(",")}}`;
}

function importObject(module: ParsedModule, specifier: string): string {
  return `__lensletImports[${module.requests.indexOf(specifier)}]`;
}

function collectStatementEdits(statement: AnyNode, source: string, edits: Edit[]): void {
  const blank = (start: number, end: number): void => {
    edits.push({ start, end, text: source.slice(start, end).replace(/[^\n]/g, "") });
  };
  switch (statement.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
      blank(statement.start, statement.end);
      return;
    case "ExportNamedDeclaration":
      blank(statement.start, statement.declaration ? statement.declaration.start : statement.end);
      return;
    case "ExportDefaultDeclaration": {
      const { declaration } = statement;
      const isDeclaration =
        declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration";
      if (isDeclaration && declaration.id) {
        blank(statement.start, declaration.start);
        return;
      }
      // The property gives an anonymous function or class the name "default".
      edits.push({
        start: statement.start,
        end: declaration.start,
        text: `const ${defaultLocal}=({default:`,
      });
      edits.push({ start: declaration.end, end: statement.end, text: "}).default;" });
      return;
    }
    default:
      return;
  }
}

function collectLiveEdits(module: ParsedModule, live: ReadonlySet<string>, edits: Edit[]): void {
  const access = new Map<string, string>();
  for (const item of module.imports) {
    if (live.has(item.local) && item.imported !== "*") {
      access.set(item.local, `${importObject(module, item.specifier)}[${JSON.stringify(item.imported)}]`);
    }
  }
  const { references, parents } = analyseScopes(module.program, new Set());
  for (const { node, binding } of references) {
    const text = binding?.kind === "import" ? access.get(node.name) : undefined;
    if (text === undefined) continue;
    const parent = parents.get(node);
    if (parent?.type === "Property" && parent.shorthand) {
      edits.push({ start: node.start, end: node.end, text: `${node.name}:${text}` });
    } else if (
      (parent?.type === "CallExpression" && parent.callee === node) ||
      (parent?.type === "TaggedTemplateExpression" && parent.tag === node)
    ) {
      edits.push({ start: node.start, end: node.end, text: `(0,${text})` });
    } else {
      edits.push({ start: node.start, end: node.end, text });
    }
  }
}

/** Where a place of the transformed code is in the module's source. Lines shift by one (the header), columns by edits. */
export interface PositionMap {
  /** Both lines 1-based, both columns 0-based. */
  toSource(line: number, column: number): { line: number; column: number };
}

function applyEdits(source: string, edits: readonly Edit[]): { text: string; positions: PositionMap } {
  const parts: string[] = [];
  /** Per source line: [column in the new text, shift to the source column], ascending. */
  const shifts = new Map<number, [number, number][]>();
  let at = 0;
  let line = 1;
  let sourceLineStart = 0;
  let outColumn = 0;
  const copy = (end: number): void => {
    const chunk = source.slice(at, end);
    parts.push(chunk);
    for (let i = chunk.indexOf("\n"); i >= 0; i = chunk.indexOf("\n", i + 1)) {
      line++;
      sourceLineStart = at + i + 1;
      outColumn = 0;
    }
    outColumn += end - Math.max(at, sourceLineStart);
    at = end;
  };
  for (const edit of edits) {
    copy(edit.start);
    parts.push(edit.text);
    const removed = source.slice(edit.start, edit.end);
    for (let i = removed.indexOf("\n"); i >= 0; i = removed.indexOf("\n", i + 1)) {
      line++;
      sourceLineStart = edit.start + i + 1;
      outColumn = 0;
    }
    const lastLine = edit.text.slice(edit.text.lastIndexOf("\n") + 1);
    outColumn += lastLine.length;
    at = edit.end;
    const list = shifts.get(line) ?? [];
    list.push([outColumn, at - sourceLineStart - outColumn]);
    shifts.set(line, list);
  }
  copy(source.length);
  const toSource = (outLine: number, column: number): { line: number; column: number } => {
    const sourceLine = Math.max(1, outLine - 1);
    let shift = 0;
    for (const [from, by] of shifts.get(sourceLine) ?? []) if (column >= from) shift = by;
    return { line: sourceLine, column: Math.max(0, column + shift) };
  };
  return { text: parts.join(""), positions: { toSource } };
}
