import ts from "typescript";
import { queryChainOf } from "./queries.ts";
import { httpHandlersOf, propertyOf, type Registration, registrationsOf } from "./registrations.ts";
import { indexProblems } from "./indexRules.ts";
import { callsOf, methodOf, nodesOf, rootOf, Sources, type SourceTexts } from "./sources.ts";

/** What is wrong, and where. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly rule: Rule;
  readonly message: string;
}

/** The document's anti-patterns and pitfalls, as rules. */
export type Rule =
  | "no-query-filter"
  | "no-unbounded-collect"
  | "internal-only"
  | "validated-args"
  | "access-checked"
  | "no-run-action"
  | "no-chained-queries"
  | "structured-errors"
  | "verified-webhooks"
  | "used-indexes";

export type Report = (node: ts.Node, rule: Rule, message: string) => void;

const guards = new Set(["requireAuth", "optionalAuth", "requireAdmin", "requireIdentity"]);
const verifiers = /^(verify\w*|constructEvent(Async)?|handleResendEventWebhook)$/;

/** Checks a functions folder. The same problems in the same order, whatever the machine. */
export function check(texts: SourceTexts): Problem[] {
  const sources = new Sources(texts);
  const problems: Problem[] = [];
  const report: Report = (node, rule, message) => {
    const source = node.getSourceFile();
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    problems.push({ file: source.fileName, line: line + 1, rule, message });
  };
  const registrations = registrationsOf(sources);
  for (const source of sources.files.values()) {
    checkQueries(source, report);
    checkReferences(source, report);
    checkErrors(source, report);
    checkWebhooks(source, report);
    for (const handler of httpHandlersOf(source)) checkActionBody(handler, report);
  }
  for (const registration of registrations) {
    checkArgs(registration, report);
    checkAccess(sources, registration, report);
    if (registration.kind === "action" && registration.handler !== null)
      checkActionBody(registration.handler, report);
  }
  indexProblems(sources, report);
  return problems.toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

function checkQueries(source: ts.SourceFile, report: Report): void {
  for (const node of nodesOf(source)) {
    if (ts.isForOfStatement(node) && node.awaitModifier !== undefined)
      if (queryChainOf(node.expression)?.isNarrowed === false)
        report(node, "no-unbounded-collect", "This reads a whole table: narrow it down with an index");
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) continue;
    const { name, expression } = node.expression;
    if (name.text === "filter" && queryChainOf(expression) !== null)
      report(name, "no-query-filter", ".filter() reads every document: use an index, or filter in code");
    if (name.text === "collect" && queryChainOf(expression)?.isNarrowed === false)
      report(
        name,
        "no-unbounded-collect",
        ".collect() of a whole table: use an index range, take(n) or paginate()",
      );
  }
}

/** Public functions are for clients: what the server runs and schedules is internal. */
function checkReferences(source: ts.SourceFile, report: Report): void {
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const bindings = statement.importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    for (const element of bindings.elements) {
      const name = (element.propertyName ?? element.name).text;
      const { text } = statement.moduleSpecifier as ts.StringLiteral;
      if (name === "anyApi" || (name === "api" && /_generated\/api(\.js)?$/.test(text)))
        report(element, "internal-only", `${name} is for clients: schedule and run internal.* functions`);
    }
  }
  for (const call of callsOf(source)) {
    const at = { runAfter: 1, runAt: 1 }[methodOf(call) ?? ""];
    const reference = at === undefined ? undefined : call.arguments[at];
    if (reference === undefined || !call.expression.getText().includes("scheduler")) continue;
    if (!["internal", "components"].includes(rootOf(reference) ?? ""))
      report(reference, "internal-only", "Only internal.* functions are scheduled");
  }
}

function checkErrors(source: ts.SourceFile, report: Report): void {
  for (const node of nodesOf(source)) {
    if (!ts.isNewExpression(node) || !ts.isIdentifier(node.expression)) continue;
    const { text } = node.expression;
    if (text === "Error" && ts.isThrowStatement(node.parent))
      report(node, "structured-errors", "Clients see nothing of an Error: throw a ConvexError with a code");
    const [first] = node.arguments ?? [];
    if (text === "ConvexError" && first !== undefined && ts.isStringLiteralLike(first))
      report(node, "structured-errors", "A ConvexError has a code that clients can decide by");
  }
}

function checkWebhooks(source: ts.SourceFile, report: Report): void {
  for (const call of callsOf(source)) {
    const [route] = call.arguments;
    if (methodOf(call) !== "route" || route === undefined || !ts.isObjectLiteralExpression(route)) continue;
    const path = propertyOf(route, "path") ?? propertyOf(route, "pathPrefix");
    if (path === null || !ts.isStringLiteralLike(path) || !path.text.includes("webhook")) continue;
    const verified = callsOf(route).find((each) =>
      verifiers.test(methodOf(each) ?? each.expression.getText()),
    );
    const touches = callsOf(route).find((each) => /^run(Mutation|Action|Query)$/.test(methodOf(each) ?? ""));
    if (verified === undefined || (touches !== undefined && touches.getStart() < verified.getStart()))
      report(path, "verified-webhooks", "Verify the signature before anything is done with a delivery");
  }
}

function checkArgs({ call, args, handler, name, isPublic }: Registration, report: Report): void {
  if (args === null || handler === null)
    report(call, "validated-args", `${name} takes anything: give it args and a handler`);
  else if (isPublic && callsOf(args).some(({ expression }) => expression.getText() === "v.any"))
    report(args, "validated-args", `${name} is public and takes v.any()`);
}

function checkAccess(sources: Sources, registration: Registration, report: Report): void {
  const { isPublic, reason, handler, file, name, call } = registration;
  if (!isPublic || reason !== null || handler === null) return;
  if (!reachesGuard(sources, file, handler, new Set()))
    report(
      call,
      "access-checked",
      `${name} is public and checks nobody: requireAuth, or say why with @public`,
    );
}

/** Whether a function, or one it calls in this folder, waits for a check of who calls. */
function reachesGuard(sources: Sources, file: string, node: ts.Node, visited: Set<ts.Node>): boolean {
  if (visited.has(node)) return false;
  visited.add(node);
  return callsOf(node).some((call) => {
    const name = methodOf(call) ?? call.expression.getText();
    if (guards.has(name)) return ts.isAwaitExpression(call.parent);
    const body = sources.bodyOf(file, call.expression);
    return body !== null && reachesGuard(sources, body.file, body.node, visited);
  });
}

function checkActionBody(handler: ts.Node, report: Report): void {
  const context = contextOf(handler);
  let queries = 0;
  for (const call of callsOf(handler)) {
    if (!ts.isPropertyAccessExpression(call.expression) || call.expression.expression.getText() !== context)
      continue;
    if (methodOf(call) === "runAction")
      report(call, "no-run-action", "An action does not run another one: call a function");
    if (methodOf(call) === "runQuery" && ++queries > 1)
      report(call, "no-chained-queries", "Two queries see two moments: read all in one");
  }
}

function contextOf(handler: ts.Node): string {
  const parameters = ts.isFunctionLike(handler) ? handler.parameters : undefined;
  return parameters?.[0]?.name.getText() ?? "ctx";
}
