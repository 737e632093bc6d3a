import { badRequest, isDeveloperError } from "../base/errors.ts";
import type { RunFailure } from "../runner/types.ts";
import type { FunctionTarget, Identity, UdfType } from "./api.ts";
import type { CalledFunction } from "./callLog.ts";
import { printReference } from "./componentBorders.ts";
import { functionOf, type LoadedDeployment, pausedMessage } from "./deployment.ts";
import { canonicalPath, inComponent, parseFunctionPath, strippedPath } from "./functionPath.ts";
import { resolveFunction } from "./hostSyscalls.ts";

export type Resolved =
  ({ readonly ok: true } & CalledFunction) | { readonly ok: false; readonly failure: RunFailure };

/** Finds the function and checks that it may be called now, by this caller, as the wanted kind. */
export function resolveTarget(
  deployment: LoadedDeployment,
  target: FunctionTarget,
  identity: Identity,
  wanted: UdfType,
): Resolved {
  const found = findTarget(deployment, target, identity);
  if (!found.ok) return found;
  if (deployment.paused) return refused(pausedMessage);
  const { component, info } = found;
  if (info.udfType === wanted) return found;
  const where = inComponent(component.componentPath);
  return refused(
    `Trying to execute ${canonicalPath(info.path)}${where} as ${wanted}, but it is defined as ${info.udfType}.`,
  );
}

/** Finds a function that this caller may see (functions.md §4.1). Throws for a component that does not exist. */
export function findTarget(
  deployment: LoadedDeployment,
  target: FunctionTarget,
  identity: Identity,
): Resolved {
  const privileged = identity.kind === "admin" || identity.kind === "system";
  if (target.kind === "reference") return findReference(deployment, target);
  const path = parseFunctionPath(target.path);
  const where = inComponent(target.componentPath);
  const component = deployment.components.get(target.componentPath);
  if (component === undefined && privileged) {
    throw badRequest("ComponentPathNotFound", `Component ${target.componentPath} not found`);
  }
  const info = component === undefined ? null : functionOf(component, path);
  const visible =
    info !== null && (privileged || (info.visibility === "public" && target.componentPath === ""));
  if (component === undefined || info === null || !visible || info.udfType === "HttpAction") {
    return refused(`Could not find public function for '${strippedPath(path)}'${where}.`);
  }
  return { ok: true, component, info };
}

function findReference(
  deployment: LoadedDeployment,
  target: FunctionTarget & { kind: "reference" },
): Resolved {
  const from = deployment.components.get(target.fromComponentPath);
  if (from === undefined)
    throw badRequest("ComponentPathNotFound", `Component ${target.fromComponentPath} not found`);
  try {
    const { name, reference, functionHandle } = target;
    const address = {
      name: name ?? null,
      reference: reference ?? null,
      functionHandle: functionHandle ?? null,
    };
    return { ok: true, ...resolveFunction(address, from, { deployment }) };
  } catch (error) {
    if (!isDeveloperError(error)) throw error;
    const { reference } = target;
    const isUnresolved = error.code === "InvalidReference" && reference !== undefined;
    return refused(isUnresolved ? `Couldn't resolve ${printReference(reference)}` : error.message);
  }
}

function refused(message: string): Resolved {
  return { ok: false, failure: { message, frames: [] } };
}
