import { assert } from "../base/assert.ts";
import { badRequest } from "../base/errors.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { DefinitionAnalysis } from "./analysisTypes.ts";
import { mountInstances, type MountChange } from "./componentMount.ts";
import { readComponents, type ComponentRow } from "./componentRows.ts";
import { definitionOf, instancesOf } from "./componentTree.ts";
import {
  advanceGeneration,
  analysisOf,
  readEnvironmentVariables,
  readGeneration,
  readModules,
  readUdfConfig,
  writeAppDefinition,
  writeAuthProviders,
  writeComponentDefinitions,
  writeFunctionsDirectory,
  type AuthDiff,
} from "./configuration.ts";
import { checkDeclaredVariables, invalidVariable } from "./environmentVariables.ts";
import { diffIndexes, emptyIndexDiff, type IndexDiff } from "./indexDiff.ts";
import type { PendingPush, PendingPushes } from "./pendingPushes.ts";
import {
  diffCrons,
  dropUnusedDefinitions,
  emptyCronDiff,
  writeCode,
  type CodeDiff,
  type CronDiff,
  type ModuleDiff,
  type PushedCode,
} from "./pushedModules.ts";
import { decodeSchema } from "./schemaJson.ts";
import { activateSchema, activeSchemaRow } from "./schemaState.ts";
import { codeOwnerOf } from "./systemRows.ts";

/** Reference http-api.md §6.6. */
export const pushMessageBytesMax = 1024;

export interface FinishPushDiff {
  readonly authDiff: AuthDiff;
  readonly definitionDiffs: Readonly<Record<string, Record<string, never>>>;
  readonly componentDiffs: Readonly<Record<string, ComponentDiff>>;
}

export interface ComponentDiff {
  readonly diffType: { readonly type: MountChange };
  readonly moduleDiff: ModuleDiff;
  readonly udfConfigDiff: CodeDiff["udfConfigDiff"];
  readonly cronDiff: CronDiff;
  readonly indexDiff: IndexDiff;
  readonly schemaDiff: {
    readonly previous_schema: string | null;
    readonly next_schema: string | null;
  } | null;
}

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
 * together. Throws BadRequest: RaceDetected (the CLI pushes again), MissingEnvironmentVariables.
 */
export function finishPush(
  tx: Transaction,
  request: FinishPushRequest,
  pending: PendingPushes,
): FinishPushDiff {
  if (request.dryRun) return emptyPushDiff;
  const push = pending.get(request.pushId);
  checkStillValid(tx, push);
  const { analysis, tree, namespaces } = push;
  const instances = instancesOf(tree);
  const isFirst = readUdfConfig(tx, "") === null;
  const before = componentsByPath(tx);
  const changes = new Map<string, MountChange>([
    ["", isFirst ? "create" : "modify"],
    ...mountInstances(tx, instances.slice(1), namespaces),
  ]);
  const schemas = new Map(
    instances.map(({ path }) => [path, swapSchema(tx, namespaces.get(path) ?? "", push.schemaIds.get(path))]),
  );
  const code = new Map([["", writeCode(tx, "", codeOf(push, "", analysis))]]);
  for (const component of push.components) {
    const { definitionPath } = component;
    const pushed = codeOf({ ...push, ...component }, definitionPath, definitionOf(analysis, definitionPath));
    code.set(definitionPath, writeCode(tx, codeOwnerOf(definitionPath), pushed));
  }
  const metadata = Object.values(analysis.components).map(({ definition }) => definition);
  const definitionsChanged = writeComponentDefinitions(tx, metadata);
  const componentDiffs = [...changes].map(([path, change]): [string, ComponentDiff] => {
    const instance = instances.find((candidate) => candidate.path === path);
    const old = before.get(path);
    if (instance === undefined) return [path, unmounted(tx, old)];
    const codeDiff = code.get(instance.definitionPath);
    assert(codeDiff !== undefined, "the code of every definition was written");
    const isNew = path !== "" && (change !== "modify" || old?.definitionPath !== instance.definitionPath);
    const own = isNew ? firstDiff(definitionOf(analysis, instance.definitionPath)) : codeDiff;
    const { moduleDiff, cronDiff } = own;
    const { udfConfigDiff } = codeDiff;
    const schema = schemas.get(path) ?? { indexDiff: emptyIndexDiff, schemaDiff: null };
    return [path, { diffType: { type: change }, moduleDiff, udfConfigDiff, cronDiff, ...schema }];
  });
  const dropped = dropUnusedDefinitions(tx);
  const authDiff = writeAuthProviders(tx, analysis.auth);
  writeAppDefinition(tx, analysis.definition);
  writeFunctionsDirectory(tx, push.functions);
  const codeChanged = [...code.values()].some(({ changed }) => changed);
  const mountsChanged = [...changes].some(([path, change]) => path !== "" && change !== "modify");
  if (codeChanged || mountsChanged || definitionsChanged || dropped) advanceGeneration(tx);
  return { authDiff, definitionDiffs: {}, componentDiffs: Object.fromEntries(componentDiffs) };
}

function componentsByPath(tx: Transaction): ReadonlyMap<string, ComponentRow> {
  const mounted = readComponents(tx).filter(({ value }) => value.state === "active");
  return new Map(mounted.map(({ value }) => [value.path, value]));
}

function codeOf(
  push: Pick<PendingPush, "modules" | "serverVersion" | "nodeVersion" | "importSeed" | "importTimestampMs">,
  definitionPath: string,
  { modules: analysis }: DefinitionAnalysis,
): PushedCode {
  const { modules, serverVersion, importSeed, importTimestampMs } = push;
  const nodeVersion = definitionPath === "" ? push.nodeVersion : null;
  return { modules, analysis, serverVersion, nodeVersion, importSeed, importTimestampMs };
}

/** What an instance gains that was not there before. */
function firstDiff({ modules }: DefinitionAnalysis): Pick<ComponentDiff, "moduleDiff" | "cronDiff"> {
  return {
    moduleDiff: { added: Object.keys(modules), removed: [] },
    cronDiff: diffCrons(null, modules["crons.js"] ?? null),
  };
}

/** Its data, schema and indexes stay. */
function unmounted(tx: Transaction, row: ComponentRow | undefined): ComponentDiff {
  const modules = row === undefined ? [] : readModules(tx, codeOwnerOf(row.definitionPath));
  const crons = modules.find(({ value }) => value.path === "crons.js");
  return {
    diffType: { type: "unmount" },
    moduleDiff: { added: [], removed: modules.map(({ value }) => value.path) },
    udfConfigDiff: null,
    cronDiff: diffCrons(crons === undefined ? null : analysisOf(crons), null),
    indexDiff: emptyIndexDiff,
    schemaDiff: null,
  };
}

function swapSchema(
  tx: Transaction,
  namespace: Namespace,
  schemaId: string | null | undefined,
): Pick<ComponentDiff, "indexDiff" | "schemaDiff"> {
  const previous = activeSchemaRow(tx, namespace)?.value.schema ?? null;
  activateSchema(tx, namespace, schemaId ?? null);
  const next = activeSchemaRow(tx, namespace)?.value.schema ?? null;
  const indexDiff = diffIndexes(
    previous === null ? null : decodeSchema(previous),
    next === null ? null : decodeSchema(next),
  );
  return {
    indexDiff,
    schemaDiff: previous === next ? null : { previous_schema: previous, next_schema: next },
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
