import ts from "typescript";
import { callsOf, type Sources } from "./sources.ts";

/** A function that is registered with the platform. */
export interface Registration {
  readonly file: string;
  /** As it is exported, if it is. */
  readonly name: string;
  readonly kind: "query" | "mutation" | "action";
  readonly isPublic: boolean;
  readonly call: ts.CallExpression;
  readonly args: ts.Expression | null;
  readonly handler: ts.Node | null;
  /** The text of a `@public` tag: why everybody may call it. */
  readonly reason: string | null;
}

const kinds: Readonly<Record<string, Pick<Registration, "kind" | "isPublic">>> = {
  query: { kind: "query", isPublic: true },
  mutation: { kind: "mutation", isPublic: true },
  action: { kind: "action", isPublic: true },
  internalQuery: { kind: "query", isPublic: false },
  internalMutation: { kind: "mutation", isPublic: false },
  internalAction: { kind: "action", isPublic: false },
};

/** All functions that a folder registers. */
export function registrationsOf(sources: Sources): Registration[] {
  return [...sources.files].flatMap(([file, source]) =>
    source.statements.flatMap((statement) => {
      if (!ts.isVariableStatement(statement)) return [];
      return statement.declarationList.declarations.flatMap((declaration) => {
        const found = registrationOf(sources, file, declaration);
        return found === null ? [] : [{ ...found, reason: publicReason(statement) }];
      });
    }),
  );
}

/** The handlers of HTTP actions. */
export function httpHandlersOf(source: ts.SourceFile): ts.Node[] {
  return callsOf(source)
    .filter(({ expression }) => ts.isIdentifier(expression) && expression.text === "httpAction")
    .flatMap((call) => call.arguments.slice(0, 1));
}

/** A property of an object literal, method or not. */
export function propertyOf(object: ts.ObjectLiteralExpression, name: string): ts.Node | null {
  for (const property of object.properties) {
    if (property.name === undefined || !ts.isIdentifier(property.name) || property.name.text !== name)
      continue;
    return ts.isPropertyAssignment(property) ? property.initializer : property;
  }
  return null;
}

function registrationOf(
  sources: Sources,
  file: string,
  { name, initializer }: ts.VariableDeclaration,
): Omit<Registration, "reason"> | null {
  if (initializer === undefined || !ts.isCallExpression(initializer) || !ts.isIdentifier(name)) return null;
  const {
    expression: callee,
    arguments: [first],
  } = initializer;
  if (!ts.isIdentifier(callee)) return null;
  const imported = sources.imported(file, callee.text);
  if (imported === null || !imported.module.endsWith("_generated/server")) return null;
  const kind = kinds[imported.name];
  if (kind === undefined) return null;
  const options = first !== undefined && ts.isObjectLiteralExpression(first) ? first : null;
  return {
    file,
    name: name.text,
    ...kind,
    call: initializer,
    args: options === null ? null : (propertyOf(options, "args") as ts.Expression | null),
    handler: options === null ? (first ?? null) : propertyOf(options, "handler"),
  };
}

function publicReason(statement: ts.Node): string | null {
  const tag = ts.getJSDocTags(statement).find(({ tagName }) => tagName.text === "public");
  const text = tag === undefined ? "" : (ts.getTextOfJSDocComment(tag.comment) ?? "").trim();
  return text === "" ? null : text;
}
