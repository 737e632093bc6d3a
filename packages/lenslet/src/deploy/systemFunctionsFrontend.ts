import { badRequest } from "../base/errors.ts";
import type { DatabaseIndex, SearchIndex, Table, VectorIndex } from "../store/catalog.ts";
import type { Namespace } from "../store/store.ts";
import { publicSystemTables, scheduledFunctionsTable, storageTable } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import { parseValue, type JsonValue } from "../values/json.ts";
import { isValueObject, type Value } from "../values/value.ts";
import type { CronSpec } from "./analysisTypes.ts";
import { visibleComponents } from "./componentRows.ts";
import {
  analysisOf,
  readAppDefinition,
  readGeneration,
  readModules,
  readUdfConfig,
} from "./configuration.ts";
import { canonicalFunctionPath } from "./cronExport.ts";
import { decodeSchema } from "./schemaJson.ts";
import { activeSchema, activeSchemaRow, pendingSchemaRow, tablesToValidate } from "./schemaState.ts";
import type { SystemContext, SystemFunction } from "./systemFunction.ts";
import {
  codeOwnerOfArgument,
  documentsIn,
  namespaceOfArgument,
  optionalStringArgument,
  stringArgument,
} from "./systemFunctionArguments.ts";
import { scheduleFunctions, scheduleValue } from "./systemFunctionsSchedules.ts";
import { userTableNames, visibilityOf } from "./systemFunctionsCli.ts";
import { codeOwnerOf, deploymentValue, rootNamespace, type CodeOwner } from "./systemRows.ts";

const tableMappingEntriesMax = 1000;

/** Those of the dashboard's queries (`_system/frontend/`) that need no filters (reference dashboard.md §2.1, §3, §4). */
export const frontendFunctions: Readonly<Record<string, SystemFunction>> = {
  ...scheduleFunctions,
  "backendState:backendState": (tx) => ({
    system: "none",
    usage_limit: "none",
    user: isPaused(tx) ? "paused" : "none",
  }),
  "deploymentState:deploymentState": (tx) => ({ state: isPaused(tx) ? "paused" : "running" }),
  "components:list": (tx) => [
    { id: "", name: null, path: "", args: {}, state: "active", httpPrefix: readAppDefinition(tx).httpPrefix },
    ...visibleComponents(tx).map(({ idText, value: { path, args, state, httpPrefix } }): Value => ({
      id: idText,
      name: path.slice(path.lastIndexOf("/") + 1),
      path,
      args: argumentValues(args),
      state,
      httpPrefix,
    })),
  ],
  "getVersion:default": (tx) => readUdfConfig(tx, rootNamespace)?.value.serverVersion ?? null,
  "getTableMapping:default": (tx, _context, args) => tableMapping(tx, namespaceOfArgument(tx, args)),
  "convexCloudUrl:default": (_tx, context) => context.cloudUrl,
  "convexSiteUrl:default": (_tx, context) => context.siteUrl,
  "getSchemas:default": (tx, _context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const active = activeSchemaRow(tx, namespace);
    const pending = pendingSchemaRow(tx, namespace);
    return {
      ...(active === null ? {} : { active: active.value.schema }),
      ...(pending === null ? {} : { inProgress: pending.value.schema }),
    };
  },
  "getSchemas:schemaValidationProgress": (tx, context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const row = pendingSchemaRow(tx, namespace);
    if (row === null || row.value.state !== "pending") return null;
    const tables = tablesToValidate(
      tx,
      namespace,
      decodeSchema(row.value.schema),
      activeSchema(tx, namespace),
    );
    let totalDocs = 0;
    for (const { tableName } of tables) totalDocs += documentsIn(tx, namespace, tableName);
    return { numDocsValidated: context.progress?.().validationProgress(row.idText) ?? 0, totalDocs };
  },
  "tableSize:default": (tx, _context, args) =>
    documentsIn(tx, namespaceOfArgument(tx, args), stringArgument(args, "tableName")),
  "tableSize:sizeOfAllTables": (tx, _context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    let documents = 0;
    for (const name of userTableNames(tx, namespace)) documents += documentsIn(tx, namespace, name);
    return documents;
  },
  "indexes:default": (tx, context, args) => {
    const namespace = namespaceOfArgument(tx, args, "tableNamespace");
    const tableName = optionalStringArgument(args, "tableName");
    const table = tableName === null ? null : tx.table(namespace, tableName);
    if (table === null) return null;
    const own = table.indexes.filter((index) => index !== table.byId && index !== table.byCreationTime);
    return [...own, ...table.searchIndexes, ...table.vectorIndexes].map((index) => ({
      name: index.name,
      staged: index.staged,
      fields: describeFields(index),
      backfill: describeBackfill(tx, table, index, context),
    }));
  },
  "getById:default": (tx, _context, args) =>
    documentById(tx, namespaceOfArgument(tx, args), stringArgument(args, "id")),
  "listById:default": (tx, _context, args) => {
    const namespace = namespaceOfArgument(tx, args);
    const { ids } = args;
    if (!Array.isArray(ids)) throw badRequest("InvalidArguments", 'The argument "ids" must be an array.');
    return (ids as readonly Value[]).map((entry) =>
      isValueObject(entry) ? documentById(tx, namespace, stringArgument(entry, "id")) : null,
    );
  },
  "listTableScan:default": (tx, _context, args) => {
    const name = stringArgument(args, "table");
    const limit = Number(args["limit"]);
    const table = name.startsWith("_") ? null : tx.table(namespaceOfArgument(tx, args), name);
    const documents: Value[] = [];
    if (table === null || !(limit > 0)) return documents;
    for (const document of tx.scan(table.byCreationTime, "", null, "asc")) {
      documents.push(document.value);
      if (documents.length >= limit) break;
    }
    return documents;
  },
  "modules:listForAllComponents": (tx) => [
    [null, moduleList(tx, rootNamespace)],
    ...visibleComponents(tx)
      .filter(({ value }) => value.state === "active")
      .map(({ idText, value }): Value => [idText, moduleList(tx, codeOwnerOf(value.definitionPath))]),
  ],
  "modules:list": (tx, _context, args) => moduleList(tx, codeOwnerOfArgument(tx, args)),
  "modules:argsValidator": (tx, _context, args) =>
    argsValidator(tx, codeOwnerOfArgument(tx, args), canonicalFunctionPath(stringArgument(args, "function"))),
  "node:version": (tx) => {
    const runsInNode = readModules(tx, rootNamespace).some((row) => row.value.environment === "node");
    if (!runsInNode) return null;
    return `nodejs${readUdfConfig(tx, rootNamespace)?.value.nodeVersion ?? process.versions.node.split(".")[0]}.x`;
  },
};

function isPaused(tx: Transaction): boolean {
  return deploymentValue(tx, "paused") === "true";
}

function tableMapping(tx: Transaction, namespace: Namespace): Value {
  const mapping: Record<string, string> = {
    [storageTable.number]: "_file_storage",
    [scheduledFunctionsTable.number]: "_scheduled_jobs",
  };
  for (const name of userTableNames(tx, namespace).slice(0, tableMappingEntriesMax - 2)) {
    const table = tx.table(namespace, name);
    if (table !== null) mapping[table.number] = name;
  }
  return mapping;
}

function describeBackfill(
  tx: Transaction,
  table: Table,
  { id, state }: DatabaseIndex | SearchIndex | VectorIndex,
  { progress }: SystemContext,
): Value {
  if (state !== "backfilling") return { state: state === "enabled" ? "done" : state };
  const totalDocs = tx.count(table);
  // Documents that come and go meanwhile are passed without being counted, or counted without being passed.
  const numDocsIndexed = Math.min(progress?.().indexProgress(id) ?? 0, totalDocs);
  return { state, stats: { numDocsIndexed, totalDocs } };
}

function describeFields(index: DatabaseIndex | SearchIndex | VectorIndex): Value {
  if ("fields" in index) return index.fields.slice(0, -1).map((path) => path.join("."));
  const filterFields = index.filterFields.map((path) => path.join("."));
  if ("searchField" in index) return { searchField: index.searchField.join("."), filterFields };
  const { dimensions, vectorField } = index;
  return { dimensions, vectorField: vectorField.join("."), filterFields };
}

function documentById(tx: Transaction, namespace: Namespace, idText: string): Value {
  const decoded = tryDecodeId(idText);
  const table = decoded === null ? null : tx.tableByNumber(namespace, decoded.tableNumber);
  if (decoded === null || table === null || (table.system && !publicSystemTables.has(table.number)))
    return null;
  return tx.get(table, decoded.id)?.value ?? null;
}

/** `[modulePath, Module]` pairs; chunks under `_deps/` have no functions and are left out. */
function moduleList(tx: Transaction, owner: CodeOwner): Value[] {
  const sourcePackageId = readGeneration(tx);
  const rows = readModules(tx, owner).filter((row) => !row.value.path.startsWith("_deps/"));
  return rows.map((row): Value => {
    const { functions, httpRoutes, cronSpecs } = analysisOf(row);
    const position = (pos: { readonly start_lineno: number } | null) =>
      pos === null ? {} : { lineno: pos.start_lineno };
    return [
      row.value.path,
      {
        functions: [
          ...functions.map((info): Value => ({
            name: info.name,
            ...position(info.pos),
            udfType: info.udfType,
            visibility: visibilityOf(info),
          })),
          ...(httpRoutes ?? []).map(({ route, pos }): Value => ({
            name: `${route.method} ${route.path}`,
            ...position(pos),
            udfType: "HttpAction",
            visibility: { kind: "public" },
          })),
        ],
        sourcePackageId,
        ...(cronSpecs === null
          ? {}
          : {
              cronSpecs: cronSpecs.map(({ identifier, spec }): Value => [identifier, cronSpecValue(spec)]),
            }),
      },
    ];
  });
}

/** What components took before they had `env`, as values. */
function argumentValues(argsJson: string): Value {
  const args = Object.entries(JSON.parse(argsJson) as Readonly<Record<string, string>>);
  return Object.fromEntries(args.map(([name, text]) => [name, parseValue(JSON.parse(text) as JsonValue)]));
}

function argsValidator(tx: Transaction, owner: CodeOwner, path: string): string | null {
  for (const row of readModules(tx, owner)) {
    const found = analysisOf(row).functions.find((info) => `${row.value.path}:${info.name}` === path);
    if (found !== undefined) return found.args;
  }
  return null;
}

function cronSpecValue({ udfPath, udfArgs, cronSchedule }: CronSpec): Value {
  const args = udfArgs === null ? null : Uint8Array.from(udfArgs).buffer;
  return { udfPath, udfArgs: args, cronSchedule: scheduleValue(cronSchedule) };
}
