import { createHash } from "node:crypto";
import { badRequest } from "../base/errors.ts";
import type { QueryCall } from "./api.ts";
import type { ComponentCode, FunctionInfo, LoadedDeployment } from "./deployment.ts";
import { parseFunctionPath } from "./functionPath.ts";

/** The function of a query that brings its own code; null for all others. Throws ComponentPathNotFound. */
export function inlineFunction(
  deployment: LoadedDeployment,
  { target, inlineModules }: QueryCall,
): { readonly ok: true; readonly component: ComponentCode; readonly info: FunctionInfo } | null {
  if (inlineModules === undefined || target.kind !== "path") return null;
  const deployed = deployment.components.get(target.componentPath);
  if (deployed === undefined) {
    throw badRequest("ComponentPathNotFound", `Component ${target.componentPath} not found`);
  }
  const { code } = deployed;
  const digest = createHash("sha256").update(code.id);
  for (const { path, source } of inlineModules) digest.update(JSON.stringify([path, source]));
  const modules = new Map([
    ...code.modules,
    ...inlineModules.map((module) => [module.path, module] as const),
  ]);
  const info: FunctionInfo = {
    path: parseFunctionPath(target.path),
    udfType: "Query",
    visibility: "internal",
    args: null,
    returns: null,
    returnsJson: null,
    environment: "isolate",
  };
  const component = { ...deployed, code: { ...code, id: `inline-${digest.digest("hex")}`, modules } };
  return { ok: true, component, info };
}
