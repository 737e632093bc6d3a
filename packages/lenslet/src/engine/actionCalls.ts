import { formatFailure } from "../runner/failure.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { FunctionCall, PreparedAction } from "./api.ts";
import { ArgumentError, parseArguments } from "./arguments.ts";
import type { LoadedDeployment } from "./deployment.ts";
import { resolveTarget } from "./functionLookup.ts";
import { canonicalPath } from "./functionPath.ts";

/** What an action host has to know of a call; a call that may not be made, or has wrong arguments, is refused here. */
export function prepareAction(
  deployment: LoadedDeployment,
  tx: Transaction,
  call: FunctionCall,
): PreparedAction {
  const resolved = resolveTarget(deployment, call.target, call.identity, "Action");
  if (!resolved.ok) return { ok: false, error: { message: formatFailure(resolved.failure) } };
  const { component, info } = resolved;
  try {
    parseArguments(call.argsJson, info, tx.idContext(component.namespace), false);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { ok: false, error: { message: formatFailure({ message: error.message, frames: [] }) } };
  }
  return {
    ok: true,
    componentPath: component.componentPath,
    functionPath: canonicalPath(info.path),
    environment: info.environment,
    returnsJson: info.returnsJson,
    codeId: component.code.id,
  };
}
