import { badRequest, isDeveloperError } from "../base/errors.ts";
import type { SystemContext, SystemFunction } from "../deploy/systemFunction.ts";
import { uncaughtText } from "../runner/failure.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { type JsonValue, parseValue, stringifyValue } from "../values/json.ts";
import { isValueObject } from "../values/value.ts";
import type { FunctionCall } from "./api.ts";
import type { FunctionRunResult } from "./execution.ts";
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

/** Throws what the function throws. */
export function runSystemFunction(
  system: SystemFunction,
  { target, argsJson, client }: FunctionCall,
  tx: Transaction,
  scope: Omit<SystemContext, "componentPath" | "client">,
): FunctionRunResult {
  const [argument] = JSON.parse(argsJson) as JsonValue[];
  const args = parseValue(argument ?? {});
  if (!isValueObject(args)) throw badRequest("InvalidArguments", "System functions take one object");
  const componentPath = target.kind === "path" ? target.componentPath : "";
  const value = system(tx, { ...scope, componentPath, client: client ?? null }, args);
  return { ok: true, valueJson: stringifyValue(value), journal: null };
}
