import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Analysis, AnalysisRequest, AuthAnalysisResult } from "../deploy/analysisTypes.ts";
import type { BackfillProgress } from "../deploy/backfill.ts";
import { deleteComponent } from "../deploy/componentMount.ts";
import { namespaceOfId } from "../deploy/componentRows.ts";
import { commitEnvironmentVariables, prepareAuthAnalysis } from "../deploy/authReevaluation.ts";
import { componentMetadata, listEvents } from "../deploy/deploymentEvents.ts";
import { evaluateSchema } from "../deploy/evaluateSchema.ts";
import { finishPush, parseFinishPushRequest } from "../deploy/finishPush.ts";
import { pushedCrons } from "../deploy/pushedCrons.ts";
import type { PendingPushes } from "../deploy/pendingPushes.ts";
import {
  configHashes,
  evaluatePush,
  prepareAnalysis,
  startPush,
  waitForSchemaState,
} from "../deploy/push.ts";
import { type PushRequest, parsePushRequest } from "../deploy/pushRequest.ts";
import { dropUnusedDefinitions } from "../deploy/pushedModules.ts";
import { setDeploymentValue } from "../deploy/systemRows.ts";
import { tableShapes } from "../deploy/shapes.ts";
import { deleteTables } from "../deploy/tableDeletion.ts";
import { syncCrons } from "../jobs/crons.ts";
import type { ModuleSource } from "../runner/types.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { JsonValue } from "../values/json.ts";
import { parseReturnsValidator } from "../values/validator.ts";
import { describeIndexes } from "./adminViews.ts";
import { audited } from "./auditedOperations.ts";
import { ArgumentError, parseReturnValue } from "./arguments.ts";
import { componentOf, type LoadedDeployment } from "./deployment.ts";
import { canonicalUrlKeys, pausedKey } from "./deploymentLoader.ts";
import { parseFunctionPath } from "./functionPath.ts";
import { handleOf } from "./hostSyscalls.ts";
import { prepareHttpAction } from "./httpActions.ts";
import { schedulerOperations } from "./schedulerOperations.ts";
import { exportOperations } from "./exportOperations.ts";
import { importOperations } from "./importOperations.ts";
import type { Snapshots } from "./snapshots.ts";
import type { StoreFile } from "./storeFile.ts";
import { streamingImportOperations } from "./streamingImportOperations.ts";
import { streamOperations } from "./streamOperations.ts";
import { storageOperations } from "./storageOperations.ts";
import { storageSyscall } from "./storageSyscalls.ts";

/** What operations of the server itself work with. Each runs in one transaction, which is committed when it returns. */
export interface SystemOperationScope {
  readonly tx: Transaction;
  readonly deployment: LoadedDeployment;
  readonly clock: Clock;
  readonly random: Random;
  readonly pendingPushes: PendingPushes;
  readonly tokenSecret: Uint8Array;
  readonly snapshots: Snapshots;
  /** Of streaming exports. */
  readonly streamSnapshots: Snapshots;
  readonly progress: BackfillProgress;
  readonly storeFile: StoreFile;
}

type Operation = (args: JsonValue, scope: SystemOperationScope) => unknown;

const environmentChanges = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
});
const componentArgument = z.object({ componentId: z.string().nullable() });

/** Pushed between net and engine thread as JSON: bytes travel as hex. */
export type AnalysisRequestJson = Omit<AnalysisRequest, "importSeed"> & { readonly importSeed: string };

/** Answer of "code.load": a CodeVersion as JSON. */
export interface CodeVersionJson {
  readonly id: string;
  readonly modules: readonly ModuleSource[];
  readonly env: Readonly<Record<string, string>>;
  /** Hex. */
  readonly importSeed: string;
  readonly importTimestampMs: number;
}

/** Answer of "action.checkReturns": the value in its canonical text, or what is wrong with it. */
export type ReturnCheck =
  { readonly ok: true; readonly valueJson: string } | { readonly ok: false; readonly message: string };

interface AnalyzedPush {
  /** The request; its sources may be left out, those of the input count. */
  readonly body: JsonValue;
  readonly input: AnalysisRequestJson;
  readonly analysis: Analysis;
}

const operations: Readonly<Record<string, Operation>> = {
  ...schedulerOperations,
  "store.checkpoint": (_args, { storeFile }) => String(storeFile.checkpoint()),
  "store.hold": (_args, { storeFile }) => storeFile.hold(),
  "store.release": (args, { storeFile }) =>
    storeFile.release(z.object({ hold: z.string() }).parse(args).hold),
  // An update of environment variables in two steps: between them the net thread has auth.config.js evaluated.
  "env.prepare": (args, { tx, deployment }) => {
    const { changes } = environmentChanges.parse(args);
    return toJson(prepareAuthAnalysis(tx, changes, builtInVariables(deployment)));
  },
  "env.commit": (args, { tx }) => {
    const { changes } = environmentChanges.parse(args);
    const { evaluated } = args as unknown as {
      evaluated: { request: AnalysisRequestJson; result: AuthAnalysisResult } | null;
    };
    const parsed =
      evaluated === null ? null : { request: fromJson(evaluated.request), result: evaluated.result };
    commitEnvironmentVariables(tx, changes, parsed);
  },
  /** The path of a mounted or unmounted component by its id. */
  "admin.componentPath": (args, { tx }) => componentMetadata(tx, namespaceOf(tx, args)).component ?? "",
  "audit.list": (args, { tx }) => {
    const range = z.object({ fromMs: z.number(), behindMs: z.number(), limit: z.number().int() }).parse(args);
    return plainNumbers(listEvents(tx, range));
  },
  "canonicalUrl.update": (args, { tx }) => {
    const { requestDestination, url } = z
      .object({ requestDestination: z.enum(["convexCloud", "convexSite"]), url: z.string().nullable() })
      .parse(args);
    setDeploymentValue(tx, canonicalUrlKeys[requestDestination], url ?? "");
  },
  "deployment.pause": (_args, { tx, deployment }) => {
    if (deployment.paused) throw badRequest("PauseDeploymentFailed", "The deployment is paused already.");
    setDeploymentValue(tx, pausedKey, "true");
  },
  "deployment.unpause": (_args, { tx, deployment }) => {
    if (!deployment.paused) throw badRequest("UnpauseDeploymentFailed", "The deployment is not paused.");
    setDeploymentValue(tx, pausedKey, "false");
  },
  "admin.shapes": (args, { tx }) => tableShapes(tx, namespaceOf(tx, args)),
  "admin.indexes": (args, { tx }) => describeIndexes(tx, namespaceOf(tx, args)),
  "admin.deleteTables": (args, { tx }) => {
    const { tableNames } = z.object({ tableNames: z.array(z.string()) }).parse(args);
    deleteTables(tx, namespaceOf(tx, args), tableNames);
  },
  "admin.deleteComponent": (args, { tx }) => {
    const { componentId } = z.object({ componentId: z.string() }).parse(args);
    deleteComponent(tx, componentId);
    dropUnusedDefinitions(tx);
  },
  "code.load": (args, { deployment }): CodeVersionJson => {
    const { componentPath } = z.object({ componentPath: z.string() }).parse(args);
    const { id, modules, env, importSeed, importTimestampMs } = componentOf(deployment, componentPath).code;
    return {
      id,
      modules: [...modules.values()],
      env,
      importSeed: Buffer.from(importSeed).toString("hex"),
      importTimestampMs,
    };
  },
  // What actions need of the catalog and of the functions; they run on the net thread's side.
  "http.prepare": (args, { deployment }) => {
    const { method, path } = z.object({ method: z.string(), path: z.string() }).parse(args);
    return prepareHttpAction(deployment, method, path);
  },
  "action.functionHandle": (args, { deployment }) => {
    const { componentPath, address } = z
      .object({ componentPath: z.string(), address: z.record(z.string(), z.json()) })
      .parse(args);
    return handleOf(address, componentOf(deployment, componentPath), { deployment });
  },
  "action.checkReturns": (args, { tx, deployment }): ReturnCheck => {
    const { componentPath, functionPath, returnsJson, resultJson } = z
      .object({
        componentPath: z.string(),
        functionPath: z.string(),
        returnsJson: z.string().nullable(),
        resultJson: z.string(),
      })
      .parse(args);
    const info = { path: parseFunctionPath(functionPath), returns: parseReturnsValidator(returnsJson) };
    const ids = tx.idContext(componentOf(deployment, componentPath).namespace);
    try {
      return { ok: true, valueJson: parseReturnValue(resultJson, info, ids, false) };
    } catch (error) {
      if (error instanceof ArgumentError) return { ok: false, message: error.message };
      throw error;
    }
  },
  "action.storage": (args, { tx, deployment, clock, random, tokenSecret }) => {
    const {
      componentPath,
      op,
      args: opArgs,
    } = z
      .object({ componentPath: z.string(), op: z.string(), args: z.record(z.string(), z.json()) })
      .parse(args);
    const { namespace } = componentOf(deployment, componentPath);
    const cloudUrl = deployment.canonicalUrls.convexCloudUrl;
    const scope = {
      tx,
      namespace,
      cloudUrl,
      tokenSecret,
      nowMs: clock.nowMs(),
      randomBytes: () => random.bytes(32),
      // Actions fetch contents by their URL.
      readContents: null,
    };
    return JSON.parse(storageSyscall(op, opArgs, scope)) as unknown;
  },
  ...storageOperations,
  ...exportOperations,
  ...importOperations,
  ...streamOperations,
  ...streamingImportOperations,
  "push.configHashes": (_args, { tx }) => configHashes(tx),
  "push.prepare": (args, { tx, deployment, clock, random }) => {
    const options = { random, clock, builtInVariables: builtInVariables(deployment) };
    return toJson(prepareAnalysis(tx, parsePushRequest(args), options));
  },
  "push.start": (args, { tx, pendingPushes }) => {
    const { request, input, analysis } = analyzedPush(args);
    return startPush(tx, request, input, analysis, pendingPushes);
  },
  "push.evaluate": (args, { tx }) => evaluatePush(tx, analysisIn(args)),
  "push.evaluateSchema": (args, { tx, progress }) => evaluateSchema(tx, analysisIn(args), progress),
  "push.schemaState": (args, { tx }) => {
    const { schemaChange, dryRun } = z
      .object({
        schemaChange: z.object({ schemaIds: z.record(z.string(), z.string().nullable()) }),
        dryRun: z.boolean().default(false),
      })
      .parse(args);
    return waitForSchemaState(tx, schemaChange, dryRun);
  },
  "push.finish": (args, { tx, pendingPushes, clock }) => {
    const request = parseFinishPushRequest(args);
    const diff = finishPush(tx, request, pendingPushes);
    if (!request.dryRun) syncCrons(tx, pushedCrons(tx), clock.nowMs());
    return diff;
  },
};

/** Runs a named operation. Throws LensletError; nothing is committed then. */
export function runSystemOperation(name: string, args: JsonValue, scope: SystemOperationScope): unknown {
  const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
  if (operation === undefined) throw badRequest("UnknownOperation", `Unknown operation ${name}`);
  try {
    const record = audited(name, args, scope.tx);
    const result = operation(args, scope);
    record(result);
    return result;
  } catch (error) {
    if (error instanceof z.ZodError) throw badRequest("BadJsonBody", z.prettifyError(error));
    throw error;
  }
}

function builtInVariables({ canonicalUrls }: LoadedDeployment): Readonly<Record<string, string>> {
  return { CONVEX_CLOUD_URL: canonicalUrls.convexCloudUrl, CONVEX_SITE_URL: canonicalUrls.convexSiteUrl };
}

/** int64 as plain JSON numbers: for answers whose readers know no other. */
function plainNumbers(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? Number(each) : each)),
  );
}

function toJson(request: AnalysisRequest | null): AnalysisRequestJson | null {
  return request && { ...request, importSeed: Buffer.from(request.importSeed).toString("hex") };
}

export function fromJson(request: AnalysisRequestJson): AnalysisRequest {
  // A copy of its own: the buffer of a small Buffer is a pool of other people's bytes.
  return { ...request, importSeed: new Uint8Array(Buffer.from(request.importSeed, "hex")) };
}

function namespaceOf(tx: Transaction, args: JsonValue): Namespace {
  return namespaceOfId(tx, componentArgument.parse(args).componentId);
}

function analysisIn(args: JsonValue): Analysis {
  return (args as unknown as Pick<AnalyzedPush, "analysis">).analysis;
}

function analyzedPush(args: JsonValue): { request: PushRequest; input: AnalysisRequest; analysis: Analysis } {
  const { body, input, analysis } = args as unknown as AnalyzedPush;
  return {
    request: parsePushRequest(body),
    input: fromJson(input),
    analysis,
  };
}
