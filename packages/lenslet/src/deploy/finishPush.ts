import { badRequest } from "../base/errors.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { AnalyzedModule } from "./analysisTypes.ts";
import {
  advanceGeneration,
  readEnvironmentVariables,
  readGeneration,
  readModules,
  readUdfConfig,
  writeAppDefinition,
  writeAuthProviders,
  writeFunctionsDirectory,
  analysisOf,
  type AuthDiff,
} from "./configuration.ts";
import { checkDeclaredVariables, invalidVariable } from "./environmentVariables.ts";
import { diffIndexes, emptyIndexDiff, type IndexDiff } from "./indexDiff.ts";
import type { PendingPush, PendingPushes } from "./pendingPushes.ts";
import { hashModule } from "./pushRequest.ts";
import { decodeSchema } from "./schemaJson.ts";
import { activateSchema, activeSchemaRow } from "./schemaState.ts";
import { deleteRow, insertRow, moduleRows, replaceRow, rootNamespace, udfConfigRows } from "./systemRows.ts";

/** Reference http-api.md §6.6. */
export const pushMessageBytesMax = 1024;

export interface FinishPushDiff {
  readonly authDiff: AuthDiff;
  readonly definitionDiffs: Readonly<Record<string, Record<string, never>>>;
  readonly componentDiffs: Readonly<Record<string, ComponentDiff>>;
}

export interface ComponentDiff {
  readonly diffType: { readonly type: "create" | "modify" };
  readonly moduleDiff: { readonly added: readonly string[]; readonly removed: readonly string[] };
  readonly udfConfigDiff: { readonly previous_version: string; readonly next_version: string } | null;
  readonly cronDiff: CronDiff;
  readonly indexDiff: IndexDiff;
  readonly schemaDiff: {
    readonly previous_schema: string | null;
    readonly next_schema: string | null;
  } | null;
}

export interface CronDiff {
  readonly added: readonly string[];
  readonly updated: readonly string[];
  readonly deleted: readonly string[];
}

const emptyCronDiff: CronDiff = { added: [], updated: [], deleted: [] };

/** The answer to a dry run, which changes nothing. */
export const emptyPushDiff: FinishPushDiff = {
  authDiff: { added: [], removed: [] },
  definitionDiffs: {},
  componentDiffs: {
    "": {
      diffType: { type: "modify" },
      moduleDiff: { added: [], removed: [] },
      udfConfigDiff: null,
      cronDiff: emptyCronDiff,
      indexDiff: emptyIndexDiff,
      schemaDiff: null,
    },
  },
};

/** The part of the echoed start_push answer that finish_push looks at. Everything else is kept on the server. */
export interface FinishPushRequest {
  readonly pushId: string;
  readonly dryRun: boolean;
  readonly message: string | null;
}

/** Parses the body of finish_push. Throws BadRequest. */
export function parseFinishPushRequest(json: unknown): FinishPushRequest {
  const body = json as {
    readonly startPush?: {
      readonly componentDefinitionPackages?: { readonly ""?: { readonly pushId?: unknown } };
    };
    readonly dryRun?: unknown;
    readonly message?: unknown;
  } | null;
  const pushId = body?.startPush?.componentDefinitionPackages?.[""]?.pushId;
  if (typeof pushId !== "string") {
    throw badRequest("InvalidConfig", "startPush must be the answer of start_push");
  }
  const message = typeof body?.message === "string" ? body.message : null;
  if (message !== null && Buffer.byteLength(message) > pushMessageBytesMax) {
    throw badRequest("PushMessageTooLong", `The message of a push may have ${pushMessageBytesMax} bytes.`);
  }
  return { pushId, dryRun: body?.dryRun === true, message };
}

/**
 * Commits a push in the caller's transaction: modules, auth, schema, indexes, definition and runtime configuration all
 * together. Throws BadRequest: RaceDetected (the CLI pushes again), MissingEnvironmentVariables, MissingSourcePackage.
 */
export function finishPush(
  tx: Transaction,
  request: FinishPushRequest,
  pending: PendingPushes,
): FinishPushDiff {
  if (request.dryRun) return emptyPushDiff;
  const push = pending.get(request.pushId);
  checkStillValid(tx, push);
  const previous = activeSchemaRow(tx, rootNamespace)?.value.schema ?? null;
  activateSchema(tx, rootNamespace, push.schemaId);
  const next = activeSchemaRow(tx, rootNamespace)?.value.schema ?? null;
  const indexDiff = diffIndexes(
    previous === null ? null : decodeSchema(previous),
    next === null ? null : decodeSchema(next),
  );
  const isFirst = readUdfConfig(tx, rootNamespace) === null;
  const { moduleDiff, cronDiff, changed } = writeModules(tx, push);
  const udfConfigDiff = writeUdfConfig(tx, push, changed);
  const authDiff = writeAuthProviders(tx, push.analysis.auth);
  writeAppDefinition(tx, push.analysis.definition);
  writeFunctionsDirectory(tx, push.functions);
  if (changed) advanceGeneration(tx);
  return {
    authDiff,
    definitionDiffs: {},
    componentDiffs: {
      "": {
        diffType: { type: isFirst ? "create" : "modify" },
        moduleDiff,
        udfConfigDiff,
        cronDiff,
        indexDiff,
        schemaDiff: previous === next ? null : { previous_schema: previous, next_schema: next },
      },
    },
  };
}

function checkStillValid(tx: Transaction, push: PendingPush): void {
  const variables = readEnvironmentVariables(tx);
  if (JSON.stringify(variables) !== JSON.stringify(push.environmentVariables)) {
    throw badRequest("RaceDetected", "Environment variables have changed during push");
  }
  if (readGeneration(tx) !== push.generation) {
    throw badRequest(
      "RaceDetected",
      "Another push was finished during this push. Are you running multiple `npx convex dev` processes in the same directory?",
    );
  }
  const { missing, invalid } = checkDeclaredVariables(push.analysis.definition.envVars ?? [], variables);
  if (missing.length > 0) {
    throw badRequest(
      "MissingEnvironmentVariables",
      `Required environment variables are not set: ${missing.join(", ")}. Set them in the Convex dashboard or CLI before pushing.`,
    );
  }
  if (invalid[0] !== undefined) throw invalidVariable(invalid[0]);
}

const emptyModule: AnalyzedModule = { functions: [], httpRoutes: null, cronSpecs: null, sourceMapped: null };

function writeModules(
  tx: Transaction,
  push: PendingPush,
): {
  readonly moduleDiff: ComponentDiff["moduleDiff"];
  readonly cronDiff: CronDiff;
  /** Whether any module was added, removed or changed. */
  readonly changed: boolean;
} {
  const old = new Map(readModules(tx, rootNamespace).map((row) => [row.value.path, row]));
  const oldCrons = old.get("crons.js");
  const cronDiff = diffCrons(
    oldCrons === undefined ? null : analysisOf(oldCrons),
    push.analysis.modules["crons.js"] ?? null,
  );
  const added: string[] = [];
  let changed = false;
  for (const module of push.modules) {
    const { path } = module;
    const sha256 = hashModule(module);
    const analysis = JSON.stringify(push.analysis.modules[path] ?? emptyModule);
    const before = old.get(path);
    old.delete(path);
    if (before === undefined) {
      added.push(path);
      changed = true;
      insertRow(tx, moduleRows, { namespace: rootNamespace, ...module, sha256, analysis });
      continue;
    }
    const { value } = before;
    if (value.sha256 === sha256 && value.environment === module.environment && value.analysis === analysis)
      continue;
    changed = true;
    replaceRow(tx, moduleRows, before.id, { namespace: rootNamespace, ...module, sha256, analysis });
  }
  for (const row of old.values()) deleteRow(tx, moduleRows, row.id);
  const removed = [...old.keys()];
  return { moduleDiff: { added, removed }, cronDiff, changed: changed || removed.length > 0 };
}

function diffCrons(before: AnalyzedModule | null, after: AnalyzedModule | null): CronDiff {
  const textsOf = (module: AnalyzedModule | null) =>
    new Map((module?.cronSpecs ?? []).map(({ identifier, spec }) => [identifier, JSON.stringify(spec)]));
  const old = textsOf(before);
  const now = textsOf(after);
  return {
    added: [...now.keys()].filter((identifier) => !old.has(identifier)),
    updated: [...now]
      .filter(([identifier, text]) => (old.get(identifier) ?? text) !== text)
      .map(([identifier]) => identifier),
    deleted: [...old.keys()].filter((identifier) => !now.has(identifier)),
  };
}

/** The seed and the clock at import stay as they are while the code does. */
function writeUdfConfig(
  tx: Transaction,
  push: PendingPush,
  codeChanged: boolean,
): ComponentDiff["udfConfigDiff"] {
  const before = readUdfConfig(tx, rootNamespace);
  const { serverVersion, nodeVersion, importSeed, importTimestampMs } = push;
  const imports =
    before === null || codeChanged
      ? { importSeed: importSeed.slice().buffer, importTimestampMs }
      : { importSeed: before.value.importSeed, importTimestampMs: before.value.importTimestampMs };
  const next = { namespace: rootNamespace, serverVersion, nodeVersion, ...imports };
  if (before === null) {
    insertRow(tx, udfConfigRows, next);
    return null;
  }
  replaceRow(tx, udfConfigRows, before.id, next);
  const previousVersion = before.value.serverVersion;
  return previousVersion === serverVersion
    ? null
    : { previous_version: previousVersion, next_version: serverVersion };
}
