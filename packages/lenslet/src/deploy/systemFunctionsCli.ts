import { badRequest } from "../base/errors.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { parseValue, type JsonValue } from "../values/json.ts";
import type { Value, ValueObject } from "../values/value.ts";
import type { AnalyzedFunction } from "./analysisTypes.ts";
import { analysisOf, readModules } from "./configuration.ts";
import type { SystemFunction } from "./systemFunction.ts";
import {
  codeOwnerOfArgument,
  codeOwnerOfCall,
  documentsIn,
  namespaceOfCall,
  onlyPage,
  pageOf,
  stringArgument,
} from "./systemFunctionArguments.ts";
import {
  environmentVariableRows,
  exportRows,
  importRows,
  rowsOf,
  tableRows,
  type CodeOwner,
} from "./systemRows.ts";

const importsListedMax = 20;

/** All that the CLI calls under `_system/cli/` (reference cli-flows.md §1). */
export const cliFunctions: Readonly<Record<string, SystemFunction>> = {
  "convexUrl:cloudUrl": (_tx, context) => context.cloudUrl,
  "queryEnvironmentVariables:default": (tx) =>
    rowsOf(tx, environmentVariableRows)
      .map(({ value }) => value as unknown as ValueObject & { readonly name: string })
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  "queryEnvironmentVariables:get": (tx, _context, args) => {
    const name = stringArgument(args, "name");
    const row = rowsOf(tx, environmentVariableRows).find(({ value }) => value.name === name);
    return row === undefined ? null : { name, value: row.value.value };
  },
  "tables:default": (tx, context) =>
    onlyPage(userTableNames(tx, namespaceOfCall(tx, context)).map((name) => ({ name }))),
  "tableData:default": (tx, context, args) => {
    const order = args["order"] === "asc" ? "asc" : "desc";
    const table = stringArgument(args, "table");
    return pageOf(tx, context, namespaceOfCall(tx, context), table, order, args["paginationOpts"]);
  },
  "tableSize:default": (tx, context, args) =>
    documentsIn(tx, namespaceOfCall(tx, context), stringArgument(args, "tableName")),
  // Reads the whole table as far as invalidation goes and never answers the same twice: it is watched for any change.
  "queryTable:default": (tx, context, args) => {
    documentsIn(tx, namespaceOfCall(tx, context), stringArgument(args, "tableName"));
    return Buffer.from(context.random.bytes(6)).readUIntBE(0, 6);
  },
  "exports:getLatest": (tx) => (rowsOf(tx, exportRows).at(-1)?.value ?? null) as Value,
  "queryImport:default": (tx, _context, args) => {
    const importId = stringArgument(args, "importId");
    const row = rowsOf(tx, importRows).find(({ idText }) => idText === importId);
    if (row === undefined) throw badRequest("ImportNotFound", `There is no import ${importId}.`);
    return row.value as unknown as Value;
  },
  "queryImport:list": (tx) =>
    rowsOf(tx, importRows)
      .slice(-importsListedMax)
      .toReversed()
      .map(({ value }) => value as unknown as Value),
  "modules:apiSpec": (tx, context, args) => {
    const owner =
      args["componentId"] === undefined ? codeOwnerOfCall(tx, context) : codeOwnerOfArgument(tx, args);
    return apiSpec(tx, owner);
  },
};

/** In name order. */
export function userTableNames(tx: Transaction, namespace: string): readonly string[] {
  const rows = rowsOf(tx, tableRows).filter(
    ({ value }) => value.namespace === namespace && !value.name.startsWith("_"),
  );
  return rows.map(({ value }) => value.name).toSorted();
}

function apiSpec(tx: Transaction, owner: CodeOwner): Value {
  return readModules(tx, owner).flatMap((row): Value[] => {
    const { functions, httpRoutes } = analysisOf(row);
    const { path } = row.value;
    return [
      ...functions.map((info): Value => ({
        identifier: `${path}:${info.name}`,
        functionType: info.udfType,
        visibility: visibilityOf(info),
        args: validatorValue(info.args),
        returns: validatorValue(info.returns),
      })),
      ...(httpRoutes ?? []).map(({ route }): Value => ({ functionType: "HttpAction", ...route })),
    ];
  });
}

/** A function that is neither public nor internal can be called by nobody, like an internal one. */
export function visibilityOf(info: AnalyzedFunction): ValueObject {
  return { kind: info.visibility?.kind ?? "internal" };
}

function validatorValue(text: string | null): Value {
  const json = text === null ? null : (JSON.parse(text) as JsonValue);
  return json === null ? { type: "any" } : parseValue(json);
}
