import { parse } from "acorn";
import type {
  AnyNode,
  ArrowFunctionExpression,
  FunctionDeclaration,
  FunctionExpression,
  ImportExpression,
  Identifier,
  Pattern,
  Program,
} from "acorn";
import { findStockBindings, type StockBinding } from "./fastPath/stockPackage.ts";

/** `imported` "*" is the namespace. */
export interface ImportedName {
  readonly specifier: string;
  readonly imported: string;
  readonly local: string;
}
export interface LocalExport {
  readonly kind: "local";
  readonly exported: string;
  readonly local: string;
}
/** `exported` null: `export * from`. `imported` "*": the namespace. */
export interface ReExport {
  readonly kind: "from";
  readonly exported: string | null;
  readonly specifier: string;
  readonly imported: string;
}

/** The module-level structure of one source text, before its imports are resolved. */
export interface ParsedModule {
  readonly source: string;
  readonly program: Program;
  /** Static specifiers in order of appearance, each once. */
  readonly requests: readonly string[];
  readonly imports: readonly ImportedName[];
  readonly exports: readonly (LocalExport | ReExport)[];
  readonly dynamicImports: readonly ImportExpression[];
  readonly importMetas: readonly { readonly start: number; readonly end: number }[];
  readonly hasTopLevelAwait: boolean;
  /** Functions of the `convex` package that the fast path replaces, see fastPath/; null: unknown ones. */
  readonly stock: readonly StockBinding[] | null;
}

/** Name given to `export default <expression>`. */
export const defaultLocal = "__lensletDefault";

/** Throws acorn's SyntaxError (of this realm; message ends with "(line:column)"). */
export function parseModule(source: string): ParsedModule {
  const program = parse(source, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true });
  const requests = new Set<string>();
  const imports: ImportedName[] = [];
  const exports: (LocalExport | ReExport)[] = [];
  for (const statement of program.body) {
    if (statement.type === "ImportDeclaration") {
      const specifier = String(statement.source.value);
      requests.add(specifier);
      for (const item of statement.specifiers) {
        const imported =
          item.type === "ImportNamespaceSpecifier"
            ? "*"
            : item.type === "ImportDefaultSpecifier"
              ? "default"
              : nameOf(item.imported);
        imports.push({ specifier, imported, local: item.local.name });
      }
    } else if (statement.type === "ExportAllDeclaration") {
      const specifier = String(statement.source.value);
      requests.add(specifier);
      const exported = statement.exported === null ? null : nameOf(statement.exported);
      exports.push({ kind: "from", exported, specifier, imported: "*" });
    } else if (statement.type === "ExportDefaultDeclaration") {
      const { declaration } = statement;
      const named =
        (declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration") &&
        declaration.id !== null;
      exports.push({ kind: "local", exported: "default", local: named ? declaration.id.name : defaultLocal });
    } else if (statement.type === "ExportNamedDeclaration") {
      if (statement.declaration) {
        for (const local of declaredNames(statement.declaration)) {
          exports.push({ kind: "local", exported: local, local });
        }
      }
      const from = statement.source ? String(statement.source.value) : null;
      if (from !== null) requests.add(from);
      for (const item of statement.specifiers) {
        const exported = nameOf(item.exported);
        const local = nameOf(item.local);
        exports.push(
          from === null
            ? { kind: "local", exported, local }
            : { kind: "from", exported, specifier: from, imported: local },
        );
      }
    }
  }
  const rest = findSpecialNodes(program, mayHoldImportExpressions.test(source));
  return {
    source,
    program,
    requests: [...requests],
    imports,
    exports: throughImports(imports, exports),
    stock: findStockBindings(source, program),
    ...rest,
  };
}

/** `import {a} from "x"; export {a}` is a re-export: it follows the other module's binding. */
function throughImports(
  imports: readonly ImportedName[],
  exports: readonly (LocalExport | ReExport)[],
): (LocalExport | ReExport)[] {
  const byLocal = new Map(imports.map((item) => [item.local, item]));
  return exports.map((item) => {
    const imported = item.kind === "local" ? byLocal.get(item.local) : undefined;
    if (!imported) return item;
    return {
      kind: "from",
      exported: item.exported,
      specifier: imported.specifier,
      imported: imported.imported,
    };
  });
}

function nameOf(node: AnyNode | null | undefined): string {
  if (node?.type !== "Identifier" && node?.type !== "Literal") return "";
  return node.type === "Identifier" ? node.name : String(node.value);
}

function declaredNames(declaration: AnyNode): string[] {
  if (declaration.type === "VariableDeclaration") {
    return declaration.declarations.flatMap((declarator) => patternNames(declarator.id).map((id) => id.name));
  }
  if (declaration.type === "FunctionDeclaration" || declaration.type === "ClassDeclaration") {
    return declaration.id ? [declaration.id.name] : [];
  }
  return [];
}

/** The identifiers a pattern declares. */
export function patternNames(pattern: Pattern): Identifier[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern];
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        patternNames(property.type === "RestElement" ? property.argument : property.value),
      );
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => (element === null ? [] : patternNames(element)));
    case "RestElement":
      return patternNames(pattern.argument);
    case "AssignmentPattern":
      return patternNames(pattern.left);
    default:
      return [];
  }
}

export function isFunctionNode(
  node: AnyNode,
): node is FunctionDeclaration | FunctionExpression | ArrowFunctionExpression {
  return (
    node.type === "FunctionDeclaration" ||
    node.type === "FunctionExpression" ||
    node.type === "ArrowFunctionExpression"
  );
}

/** Child nodes in source order of the fields. */
export function childrenOf(node: AnyNode): AnyNode[] {
  const children: AnyNode[] = [];
  for (const key in node) {
    const value: unknown = node[key as keyof AnyNode];
    if (typeof value !== "object") continue;
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) children.push(item);
    } else if (isNode(value)) {
      children.push(value);
    }
  }
  return children;
}

function isNode(value: unknown): value is AnyNode {
  return (
    typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"
  );
}

/** True of every text with `import(...)` or `import.meta`, and of some without. */
const mayHoldImportExpressions = /\bimport\s*[(./]/;

/** `everywhere` false: there are no dynamic imports and no `import.meta`, so bodies of functions hold nothing special. */
function findSpecialNodes(
  program: Program,
  everywhere: boolean,
): Pick<ParsedModule, "dynamicImports" | "importMetas" | "hasTopLevelAwait"> {
  const dynamicImports: ImportExpression[] = [];
  const importMetas: { start: number; end: number }[] = [];
  let hasTopLevelAwait = false;
  const pending: { node: AnyNode; inFunction: boolean }[] = [{ node: program, inFunction: false }];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const { node, inFunction } = item;
    if (node.type === "ImportExpression") dynamicImports.push(node);
    if (node.type === "MetaProperty" && node.meta.name === "import") importMetas.push(node);
    if (!inFunction) {
      if (node.type === "AwaitExpression") hasTopLevelAwait = true;
      if (node.type === "ForOfStatement" && node.await) hasTopLevelAwait = true;
      if (node.type === "VariableDeclaration" && node.kind === "await using") hasTopLevelAwait = true;
    }
    const inside = inFunction || isFunctionNode(node) || node.type === "PropertyDefinition";
    if (inside && !everywhere) continue;
    for (const child of childrenOf(node)) pending.push({ node: child, inFunction: inside });
  }
  return { dynamicImports, importMetas, hasTopLevelAwait };
}
