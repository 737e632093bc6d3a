import type { IndexId, TabletId } from "./store.ts";

export interface SystemIndexDefinition {
  readonly id: IndexId;
  readonly name: string;
  /** Dotted paths as in `_indexes`.fields, without the implicit `_creationTime`. */
  readonly fields: readonly string[];
}

/** A table of the server itself, living in the root namespace. All numbers are fixed forever: they are in every data folder. */
export interface SystemTableDefinition {
  readonly name: string;
  readonly number: number;
  readonly tablet: TabletId;
  readonly byId: IndexId;
  readonly byCreationTime: IndexId;
  readonly indexes: readonly SystemIndexDefinition[];
}

/** Physical ids below this belong to system tables; `CatalogState.nextPhysicalId` starts here. */
export const firstUserPhysicalId = 1000;

/** User tables of a namespace are numbered from here, system tables from 513 below it. Source: reference values.md §6.2. */
export const firstUserTableNumber = 10001;

const physicalIdsPerSystemTable = 10;

function define(
  number: number,
  name: string,
  indexes: Readonly<Record<string, readonly string[]>> = {},
): SystemTableDefinition {
  const base = (number - 512) * physicalIdsPerSystemTable;
  return {
    name,
    number,
    tablet: base,
    byId: base + 1,
    byCreationTime: base + 2,
    indexes: Object.entries(indexes).map(([indexName, fields], position) => ({
      id: base + 3 + position,
      name: indexName,
      fields,
    })),
  };
}

/** `{name, namespace, number, tablet, byId, byCreationTime}`: one document for each user table. Numbers are float64. */
export const tablesTable = define(513, "_tables");
/**
 * `{namespace, table, tablet, name, index, fields: ["a.b"], state, staged}`: one document for each user index. Text
 * search indexes have `kind: "search"` and `filterFields`, and one field, the search field; vector indexes
 * `kind: "vector"`, `filterFields` and `dimensions`, and one field too.
 */
export const indexesTable = define(514, "_indexes");
/** `{namespace, state: "pending"|"validated"|"active"|"failed"|"overwritten", schema: <SchemaJson text>, error?, tableName?}`. */
export const schemasTable = define(515, "_schemas");
/** `{namespace, path, environment, source, sourceMap, sha256, analysis: <JSON text>}`. */
export const modulesTable = define(516, "_modules", { by_path: ["namespace", "path"] });
/** `{name, value}`. */
export const environmentVariablesTable = define(517, "_environment_variables", { by_name: ["name"] });
/** `{provider: <AuthInfo JSON text>}`. */
export const authTable = define(518, "_auth");
/**
 * `{path, state, definitionPath, args, env, httpPrefix}`: one document for each component that is or was mounted; its id
 * text is the component's namespace.
 */
export const componentsTable = define(519, "_components");
/** `{namespace, serverVersion, importSeed, importTimestampMs, nodeVersion}`. */
export const udfConfigTable = define(520, "_udf_config");
/** `{key, value}`: state of the instance. */
export const deploymentTable = define(521, "_deployment", { by_key: ["key"] });

/**
 * `{sha256: <base64>, size, contentType: string | null}`: the files, as functions see them through `ctx.db.system`. Every
 * namespace has a table of this name and number; this one is the app's.
 */
export const storageTable = define(530, "_storage");
/** The jobs as functions see them through `ctx.db.system`; one table in each namespace too. */
export const scheduledFunctionsTable = define(531, "_scheduled_functions");
/** Every cron of every namespace: see jobs/cronRows.ts. */
export const cronJobsTable = define(532, "_cron_jobs", {
  by_name: ["namespace", "name"],
  by_due: ["state", "nextMs"],
});
/** The latest runs of each cron. */
export const cronJobLogsTable = define(533, "_cron_job_logs", { by_name: ["namespace", "name", "ts"] });
/** What the scheduler has to do for the documents of `_scheduled_functions`: see jobs/jobRows.ts. */
export const jobQueueTable = define(534, "_scheduled_jobs", {
  by_due: ["lane", "dueMs"],
  by_namespace: ["namespace", "open", "dueMs"],
});

/** `{namespace, storageId, fileId: <uuid>, key}`: where the bytes of each `_storage` document are. */
export const filesTable = define(537, "_files", {
  by_storage_id: ["namespace", "storageId"],
  by_file_id: ["fileId"],
  by_key: ["key"],
});
/** `{key}`: contents that no file refers to any more and that are still to be removed. */
export const fileRemovalsTable = define(538, "_file_removals");

/** `{key, part, bytes}`: contents that a mutation has stored, until they are in the file store. */
export const fileContentsTable = define(539, "_file_contents", { by_key: ["key", "part"] });

/** One for each export: `{state, requestor, format, expiration_ts, start_ts?, complete_ts?, zip_object_key?}`. */
export const exportsTable = define(545, "_exports");
/** One for each import: `{state: {state, ...}, format, mode, component_path, object_key, checkpoints, requestor}`. */
export const importsTable = define(546, "_snapshot_imports");

/**
 * `{action, member_id: null, metadata: {...}, client_ip?, client_user_agent?}`: what admins did, as the dashboard's
 * history shows it.
 */
export const deploymentEventsTable = define(548, "_deployment_audit_log", {
  by_action: ["action"],
});

/**
 * `{componentPath, table}`: written by each commit that changes which documents a table has without writing them, by
 * deleting it, emptying it or putting an import in its place. Whoever follows the log sees it there.
 */
export const tableBreaksTable = define(549, "_table_breaks");

/**
 * `{namespace, table, validator: <JSON text>, state: "pending" | "valid" | "failed", error?}`: one document for each
 * `.staged()` of the active schemas: see deploy/stagedValidators.ts.
 */
export const stagedValidatorsTable = define(550, "_staged_validators");

/** System tables that functions may read, by number. */
export const publicSystemTables: ReadonlyMap<number, string> = new Map(
  [storageTable, scheduledFunctionsTable].map(({ number, name }) => [number, name]),
);

/** `{path, definition: <JSON text>}`: convex.config.ts of each component that is mounted, evaluated. */
export const componentDefinitionsTable = define(540, "_component_definitions");

export const systemTables: readonly SystemTableDefinition[] = [
  tablesTable,
  indexesTable,
  schemasTable,
  modulesTable,
  environmentVariablesTable,
  authTable,
  componentsTable,
  udfConfigTable,
  deploymentTable,
  storageTable,
  scheduledFunctionsTable,
  cronJobsTable,
  cronJobLogsTable,
  jobQueueTable,
  filesTable,
  fileRemovalsTable,
  fileContentsTable,
  componentDefinitionsTable,
  exportsTable,
  importsTable,
  deploymentEventsTable,
  tableBreaksTable,
  stagedValidatorsTable,
];
