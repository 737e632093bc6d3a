import path from "node:path";
import ts from "typescript";

/** The files of a functions folder, parsed, and what their names mean across files. */

/** By path within the folder, "app/projects/model.ts" say. */
export type SourceTexts = ReadonlyMap<string, string>;

/** A function that can be followed: where its body is. */
export interface Body {
  readonly file: string;
  readonly node: ts.Node;
}

export class Sources {
  readonly files: ReadonlyMap<string, ts.SourceFile>;

  constructor(texts: SourceTexts) {
    this.files = new Map(
      [...texts].map(([file, text]) => [
        file,
        ts.createSourceFile(
          file,
          text,
          ts.ScriptTarget.Latest,
          true,
          file.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
        ),
      ]),
    );
  }

  /** What an import in a file refers to: a file of the folder, or the specifier itself. */
  resolve(from: string, specifier: string): string {
    if (!specifier.startsWith(".")) return specifier;
    const base = path.posix.join(path.posix.dirname(from), specifier);
    const tries = [base, `${base}.ts`, `${base}.tsx`, base.replace(/\.js$/, ".ts")];
    return tries.find((file) => this.files.has(file)) ?? base.replace(/\.[jt]sx?$/, "");
  }

  /** The functions that a call may run, if they are in the folder. */
  bodyOf(file: string, callee: ts.Expression): Body | null {
    if (ts.isIdentifier(callee)) return this.#named(file, callee.text);
    if (!ts.isPropertyAccessExpression(callee) || !ts.isIdentifier(callee.expression)) return null;
    const target = this.#namespace(file, callee.expression.text);
    return target === null ? null : this.#declared(target, callee.name.text);
  }

  /** The module and name that an imported name stands for. */
  imported(file: string, name: string): { readonly module: string; readonly name: string } | null {
    for (const { specifier, bindings } of this.#imports(file)) {
      if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
      const found = bindings.elements.find((element) => element.name.text === name);
      if (found !== undefined)
        return { module: this.resolve(file, specifier), name: (found.propertyName ?? found.name).text };
    }
    return null;
  }

  #named(file: string, name: string): Body | null {
    const imported = this.imported(file, name);
    return imported === null ? this.#declared(file, name) : this.#declared(imported.module, imported.name);
  }

  #namespace(file: string, name: string): string | null {
    const found = this.#imports(file).find(
      ({ bindings }) =>
        bindings !== undefined && ts.isNamespaceImport(bindings) && bindings.name.text === name,
    );
    return found === undefined ? null : this.resolve(file, found.specifier);
  }

  #declared(file: string, name: string): Body | null {
    for (const statement of this.files.get(file)?.statements ?? []) {
      if (ts.isFunctionDeclaration(statement) && statement.name?.text === name)
        return { file, node: statement };
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name: declared, initializer } of statement.declarationList.declarations)
        if (ts.isIdentifier(declared) && declared.text === name && initializer !== undefined)
          return { file, node: initializer };
    }
    return null;
  }

  #imports(
    file: string,
  ): { readonly specifier: string; readonly bindings: ts.NamedImportBindings | undefined }[] {
    return (this.files.get(file)?.statements ?? []).flatMap((statement) =>
      ts.isImportDeclaration(statement)
        ? [
            {
              specifier: (statement.moduleSpecifier as ts.StringLiteral).text,
              bindings: statement.importClause?.namedBindings,
            },
          ]
        : [],
    );
  }
}

/** All nodes below (and with) one. */
export function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) yield* nodesOf(child);
}

/** All calls below one node. */
export function callsOf(node: ts.Node): ts.CallExpression[] {
  return [...nodesOf(node)].filter((each) => ts.isCallExpression(each));
}

/** The name of the method that a call calls, if it calls one. */
export function methodOf({ expression }: ts.CallExpression): string | null {
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : null;
}

/** The name at the very left of `a.b.c`. */
export function rootOf(node: ts.Expression): string | null {
  if (ts.isPropertyAccessExpression(node)) return rootOf(node.expression);
  return ts.isIdentifier(node) ? node.text : null;
}
