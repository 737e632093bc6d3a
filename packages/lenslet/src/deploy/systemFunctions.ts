import type { SystemFunction } from "./systemFunction.ts";
import { dataFunctions } from "./systemFunctionsData.ts";
import { editMutations } from "./systemFunctionsEdit.ts";
import { settingsFunctions } from "./systemFunctionsSettings.ts";
import { fileFunctions, fileMutations } from "./systemFunctionsFiles.ts";
import { cliFunctions } from "./systemFunctionsCli.ts";
import { serverFunctions } from "./systemFunctionsServer.ts";
import { frontendFunctions } from "./systemFunctionsFrontend.ts";

/**
 * The queries that the CLI and the dashboard call by name, by canonical path. Only for admins; the caller checks that.
 * Sources: reference cli-flows.md §1, dashboard.md §2.1 and §3.
 */
export const systemFunctions: ReadonlyMap<string, SystemFunction> = new Map([
  ...named("_system/cli/", cliFunctions),
  ...named("_system/frontend/", frontendFunctions),
  ...named("_system/frontend/", fileFunctions),
  ...named("_system/frontend/", dataFunctions),
  ...named("_system/frontend/", settingsFunctions),
  ...named("_system/", serverFunctions),
]);

/** The mutations that the dashboard calls by name, likewise. */
export const systemMutations: ReadonlyMap<string, SystemFunction> = new Map([
  ...named("_system/frontend/", fileMutations),
  ...named("_system/frontend/", editMutations),
]);

/** "tables:default" under "_system/cli/" becomes "_system/cli/tables.js:default". */
function named(
  prefix: string,
  functions: Readonly<Record<string, SystemFunction>>,
): [string, SystemFunction][] {
  return Object.entries(functions).map(([name, run]) => [`${prefix}${name.replace(":", ".js:")}`, run]);
}
