import { badRequest, isDeveloperError } from "../base/errors.ts";
import type { SystemFunction } from "../deploy/systemFunction.ts";
import { uncaughtText } from "../runner/failure.ts";
import type { FunctionCall } from "./api.ts";
import { canonicalPath, parseFunctionPath } from "./functionPath.ts";

/** The server's own function that an admin asks for, or null: then the name is looked up like any other. */
export function systemFunctionOf(
  { target, identity }: FunctionCall,
  functions: ReadonlyMap<string, SystemFunction>,
): SystemFunction | null {
  if (target.kind !== "path" || !target.path.startsWith("_system/") || identity.kind !== "admin") return null;
  return functions.get(canonicalPath(parseFunctionPath(target.path))) ?? null;
}

/** The dashboard shows the data of a ConvexError where it is; any other error takes its page down (dashboard.md §1.4). */
export function tellingRefusals(mutation: SystemFunction): SystemFunction {
  return (tx, context, args) => {
    try {
      return mutation(tx, context, args);
    } catch (error) {
      if (!isDeveloperError(error)) throw error;
      const { code, message } = error;
      throw badRequest(code, uncaughtText("ConvexError", message), message);
    }
  };
}
