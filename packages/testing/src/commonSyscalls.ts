import { strippedPath } from "../../lenslet/src/engine/functionPath.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { Backend } from "./backend.ts";
import type { Caller, FunctionRun } from "./call.ts";

/** What functions of every kind may ask, in or out of a transaction. Null: it is none of these. */
export function commonSyscall(
  op: string,
  args: JsonObject,
  backend: Backend,
  { component, fn, caller }: FunctionRun,
): string | null {
  switch (op) {
    case "1.0/createFunctionHandle":
      return JSON.stringify(backend.deployment.handleOf(args, component));
    case "1.0/getUserIdentity":
      return JSON.stringify(caller.identity);
    case "1.0/getFunctionMetadata":
      return JSON.stringify({ name: strippedPath(fn.info.path), componentPath: component.path });
    case "1.0/getDeploymentMetadata":
      return JSON.stringify({ name: "test", region: null, class: "s16" });
    case "1.0/getRequestMetadata":
      return requestMetadata(caller);
    default:
      return null;
  }
}

function requestMetadata({ ip, userAgent, requestId, job }: Caller): string {
  return JSON.stringify({
    ip,
    userAgent,
    requestId,
    scheduledFunctionId: job?.idText ?? null,
    authToken: null,
  });
}
