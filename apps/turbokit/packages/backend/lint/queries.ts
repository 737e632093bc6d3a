import ts from "typescript";
import { nodesOf } from "./sources.ts";

/** What is known of an expression that is a query on the database which has not been run. */
export interface QueryChain {
  /** An index narrows it down: `withIndex` with a range, or a search. */
  readonly isNarrowed: boolean;
  /** As it is written; null when that is not to be seen. */
  readonly table: string | null;
}

const builders = new Set(["fullTableScan", "withIndex", "withSearchIndex", "order", "filter"]);

/** The query that an expression is, following names and functions of the same file; null if it is none. */
export function queryChainOf(node: ts.Expression, depth = 8): QueryChain | null {
  if (depth === 0) return null;
  if (ts.isParenthesizedExpression(node)) return queryChainOf(node.expression, depth);
  if (ts.isConditionalExpression(node))
    return both(queryChainOf(node.whenTrue, depth - 1), queryChainOf(node.whenFalse, depth - 1));
  if (ts.isIdentifier(node)) {
    const initializer = initializerOf(node);
    return initializer === null ? null : queryChainOf(initializer, depth - 1);
  }
  if (!ts.isCallExpression(node)) return null;
  const { expression: callee } = node;
  if (ts.isIdentifier(callee)) return returnedBy(callee, depth - 1);
  if (!ts.isPropertyAccessExpression(callee)) return null;
  const method = callee.name.text;
  if (method === "query" && /(^|\.)db$/.test(callee.expression.getText()))
    return { isNarrowed: false, table: literalOf(node) };
  if (!builders.has(method)) return null;
  const chain = queryChainOf(callee.expression, depth);
  if (chain === null) return null;
  const narrows = (method === "withIndex" && node.arguments.length > 1) || method === "withSearchIndex";
  return narrows ? { ...chain, isNarrowed: true } : chain;
}

function literalOf({ arguments: [first] }: ts.CallExpression): string | null {
  return first !== undefined && ts.isStringLiteralLike(first) ? first.text : null;
}

function both(one: QueryChain | null, other: QueryChain | null): QueryChain | null {
  if (one === null || other === null) return one ?? other;
  return { isNarrowed: one.isNarrowed && other.isNarrowed, table: one.table };
}

/** What a name of the same file was declared as, in the nearest scope. */
function initializerOf(name: ts.Identifier): ts.Expression | null {
  for (let scope: ts.Node = name.parent; ; scope = scope.parent) {
    if (ts.isBlock(scope) || ts.isSourceFile(scope)) {
      for (const statement of scope.statements) {
        if (!ts.isVariableStatement(statement)) continue;
        const found = statement.declarationList.declarations.find(
          (declaration) => ts.isIdentifier(declaration.name) && declaration.name.text === name.text,
        );
        if (found?.initializer !== undefined) return found.initializer;
      }
    }
    if (ts.isSourceFile(scope)) return null;
  }
}

/** What a function of the same file returns, if all that it returns are queries. */
function returnedBy(callee: ts.Identifier, depth: number): QueryChain | null {
  const declared = callee
    .getSourceFile()
    .statements.find(
      (statement) => ts.isFunctionDeclaration(statement) && statement.name?.text === callee.text,
    );
  if (declared === undefined) return null;
  let chain: QueryChain | null = null;
  for (const node of nodesOf(declared)) {
    if (!ts.isReturnStatement(node) || node.expression === undefined) continue;
    chain = both(chain, queryChainOf(node.expression, depth));
  }
  return chain;
}
