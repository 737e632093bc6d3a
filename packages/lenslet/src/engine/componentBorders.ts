import { badRequest } from "../base/errors.ts";
import type { FunctionCall, Identity } from "./api.ts";
import type { CallContext } from "./callContext.ts";
import { type ComponentCode, type FunctionInfo, functionOf, type LoadedDeployment } from "./deployment.ts";

/*
 * What changes when a call goes from one component to another: which functions can be named, and who is asking.
 */

export interface ResolvedFunction {
  readonly component: ComponentCode;
  readonly info: FunctionInfo;
}

const childReference = /^_reference\/childComponent\/([^/]+)\/(.+)$/;

/**
 * Resolves "_reference/childComponent/{name}/{dir}/…/{file}/{function}" as seen from a component; null for references
 * of other kinds. Only public functions are exported. Throws InvalidReference.
 */
export function resolveChildReference(
  reference: string,
  from: ComponentCode,
  deployment: LoadedDeployment,
): ResolvedFunction | null {
  const [, name, rest] = childReference.exec(reference) ?? [];
  if (name === undefined || rest === undefined) return null;
  const path = from.children.get(name);
  const component = path === undefined ? undefined : deployment.components.get(path);
  if (component === undefined)
    throw badRequest("InvalidReference", `Child component ${JSON.stringify(name)} not found`);
  const slash = rest.lastIndexOf("/");
  const module = slash < 0 ? rest : rest.slice(0, slash);
  const exported = slash < 0 ? "default" : rest.slice(slash + 1);
  const info = functionOf(component, { module: `${module}.js`, name: exported });
  if (info === null || info.visibility !== "public") {
    throw badRequest(
      "InvalidReference",
      `Child component ${JSON.stringify(name)} does not export ${rest.replaceAll("/", ".")}`,
    );
  }
  return { component, info };
}

/** How an action's error names a reference that leads nowhere: "api.dir.file.fn", or "child.file.fn". */
export function printReference(reference: string): string {
  const [, name, rest] = childReference.exec(reference) ?? [];
  if (name !== undefined && rest !== undefined) return `${name}.${rest.replaceAll("/", ".")}`;
  const own = /^_reference\/function\/(.+)$/.exec(reference)?.[1];
  if (own === undefined) return reference;
  return `api.${own
    .replace(/\.js(?=:|$)/, "")
    .replaceAll("/", ".")
    .replace(":", ".")}`;
}

/** Identity stays on its side of a component's border; that an admin calls does not change (functions.md §9, §12). */
function identityBeyondBorder(identity: Identity): Identity {
  if (identity.kind === "admin") return { kind: "admin", actingAs: null };
  return identity.kind === "user" ? { kind: "anonymous" } : identity;
}

/** A call as its callee sees it, whose component is known now. */
export function callInto(componentPath: string, call: FunctionCall): FunctionCall {
  const { target, identity } = call;
  if (target.kind !== "reference" || target.fromComponentPath === componentPath) return call;
  return { ...call, identity: identityBeyondBorder(identity) };
}

/** The context of a function that another one calls in the same transaction. */
export function contextInto(callee: ComponentCode, caller: ComponentCode, context: CallContext): CallContext {
  if (callee === caller || context.userIdentity === null) return context;
  return { ...context, userIdentity: null };
}
