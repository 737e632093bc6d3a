import { badRequest, LensletError } from "../base/errors.ts";
import { computedMs } from "../base/clock.ts";
import { Backfiller } from "../deploy/backfill.ts";
import { PendingPushes } from "../deploy/pendingPushes.ts";
import { noteMismatches } from "../deploy/schemaState.ts";
import type { SystemFunction } from "../deploy/systemFunction.ts";
import { systemFunctions, systemMutations } from "../deploy/systemFunctions.ts";
import { randomHex } from "../base/random.ts";
import { earlier, earliestDueMs } from "../jobs/dueTimes.ts";
import type { CommitTs, LogRecord } from "../log/log.ts";
import type { DocumentWrite, SessionRequest, Store } from "../store/store.ts";
import type { JsonObject } from "../transaction/syscallArguments.ts";
import { Transaction } from "../transaction/transaction.ts";
import type { TransactionUsage } from "../transaction/usage.ts";
import type { JsonValue } from "../values/json.ts";
import { newInternalId } from "../values/id.ts";
import type {
  EngineMeasures,
  FunctionCall,
  FunctionFailure,
  FunctionResult,
  FunctionTarget,
  Identity,
  JobAnswer,
  JobRef,
  LiveQueryId,
  MutationCall,
  MutationResult,
  OpenedQuery,
  PreparedAction,
  QueryCall,
  QueryResult,
  UdfType,
} from "./api.ts";
import { prepareAction } from "./actionCalls.ts";
import { withCommitTs } from "./arguments.ts";
import { type CalledFunction, CallLog, logWarnings } from "./callLog.ts";
import { FilesAwaited } from "./awaitedFiles.ts";
import type { Committer } from "./committer.ts";
import { recordedAnswer, type RecordedCall } from "./commitRecord.ts";
import type { LoadedDeployment } from "./deployment.ts";
import {
  dropsOrChangesIndexes,
  loadDeployment,
  touchesBackfills,
  touchesDeployment,
} from "./deploymentLoader.ts";
import {
  type CallContext,
  type CallSurroundings,
  jobOf,
  newCallContext,
  nothingObserved,
} from "./callContext.ts";
import { callInto } from "./componentBorders.ts";
import { type FunctionRunResult, resultOf, runFunction } from "./execution.ts";
import type { Execution } from "./executionLog.ts";
import { findTarget, resolveTarget } from "./functionLookup.ts";
import { canonicalPath, parseFunctionPath } from "./functionPath.ts";
import { inlineFunction } from "./inlineQuery.ts";
import { failedBeforeRunning, failedRun, type Outcome } from "./callOutcome.ts";
import { type JobHost, runJob } from "./jobCalls.ts";
import { Measures } from "./measures.ts";
import { type HeapGauge, MemoryWatch } from "./memoryWatch.ts";
import { type Asker, LiveQueries, type QueryRunResult, type QuerySpec } from "./liveQueries.ts";
import type { RunningJob } from "./scheduling.ts";
import { exportSnapshotLimits, Snapshots, streamSnapshotLimits } from "./snapshots.ts";
import { StoreFile } from "./storeFile.ts";
import { runSystemFunction, systemFunctionOf, tellingRefusals } from "./systemCalls.ts";
import { runSystemOperation } from "./systemOperations.ts";
import type { VectorSearches } from "./vectorSearches.ts";
import type { EngineOut, EngineRequest, FetchedFile } from "./wire.ts";

export interface CallsOptions extends CallSurroundings {
  readonly store: Store;
  readonly committer: Committer;
  readonly boot: string;
  readonly cloudUrl: string;
  readonly siteUrl: string;
  readonly reportDefect: (error: unknown) => void;
  /** Another node writes: nothing is built or validated here. */
  readonly isFollower?: boolean;
  /** Absent: nobody's memory is looked at. */
  readonly heap?: HeapGauge;
}

/** Who watches the progress of work in the background is told this often. */
export const progressShownMs = 500;

/** At least the distance of two creation times within a transaction: a double's resolution until the year 2109. */
const creationStepMs = 2 ** -11;

/** Executes calls one at a time, each to its end, against the newest state. */
export class Calls {
  readonly live: LiveQueries;
  readonly memory: MemoryWatch;
  readonly #options: CallsOptions;
  #deployment: LoadedDeployment;
  #deploymentChanged = false;
  readonly #log: CallLog;
  readonly #measures = new Measures();
  /** 0: whoever starts an engine has to look for what is due. */
  #scheduledMs: number | null = 0;
  readonly #backfiller: Backfiller;
  /** True until the backfiller has said that it is idle: at the start, and after every commit that may concern it. */
  #backfillPending = true;
  #progressShownAtMs = 0;
  readonly #pendingPushes: PendingPushes;
  readonly #storeFile: StoreFile;
  readonly #snapshots: Snapshots;
  readonly #streamSnapshots: Snapshots;
  /** Of the call that runs. */
  #files: ReadonlyMap<string, FetchedFile> | null = null;
  /** `beginMs` of the newest transaction that may write. */
  #beginMs = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#log = new CallLog(options.clock);
    this.memory = new MemoryWatch(options.heap ?? null, options.clock, (bytes) =>
      options.heartbeat.setRest(bytes),
    );
    this.live = new LiveQueries(
      (spec, journal, liveId, asker) => {
        if (liveId !== null) this.#blame(-Number(liveId));
        return this.#runLive(spec, journal, asker);
      },
      () => options.clock.monotonicMs(),
      (tablet, spec) => this.#measures.invalidated(tablet, spec),
    );
    this.#backfiller = new Backfiller({ store: options.store });
    this.#snapshots = new Snapshots(options.store, exportSnapshotLimits);
    this.#streamSnapshots = new Snapshots(options.store, streamSnapshotLimits);
    this.#storeFile = new StoreFile(options);
    this.#pendingPushes = new PendingPushes({ random: options.random });
    this.#deployment = this.#loadDeployment(1);
  }

  /** `files`: what an earlier attempt at the call has waited for. */
  beginCall(seq: number, files: ReadonlyMap<string, FetchedFile> | null = null): void {
    this.#files = files;
    this.#blame(seq);
    this.#measures.begin();
  }

  forgetFiles(): void {
    this.#files = null;
  }

  deploymentMessage(): EngineOut & { readonly type: "deployment" } {
    const { version, authProviders, environmentVariables, canonicalUrls, components } = this.#deployment;
    return {
      type: "deployment",
      deployment: { version, authProviders, environmentVariables, canonicalUrls },
      codeId: JSON.stringify([...components.values()].map(({ code }) => code.id)),
    };
  }

  takeDeploymentChange(): boolean {
    const changed = this.#deploymentChanged;
    this.#deploymentChanged = false;
    return changed;
  }

  /** The earliest time for which something was scheduled since the last time this was asked. */
  takeScheduled(): number | null {
    const dueMs = this.#scheduledMs;
    this.#scheduledMs = null;
    return dueMs;
  }

  takeMeasures(): EngineMeasures | null {
    const { clock, committer } = this.#options;
    return this.#measures.take(clock.monotonicMs(), committer.catalog, this.#deployment);
  }

  takeExecutions(): Execution[] {
    return this.#log.take();
  }

  query(call: QueryCall): QueryResult {
    const { lastTs, history } = this.#options.committer;
    if (call.atTs !== undefined && call.atTs !== lastTs) {
      const undo = call.atTs > lastTs ? null : history.undoTo(call.atTs);
      if (undo === null) {
        throw new LensletError(
          "OutOfRetention",
          "OutOfRetention",
          `Timestamp ${call.atTs} is outside of the history that queries can read. Take a new one with query_ts.`,
        );
      }
      const { result, journal } = this.#watchQuery(call, call.journal ?? null, undo);
      return { ...result, ts: call.atTs, journal };
    }
    const spec = call.inlineModules === undefined ? this.#specOf(call, call.journal ?? null) : null;
    if (spec === null) {
      const { result, journal } = this.#watchQuery(call, call.journal ?? null, null);
      return { ...result, ts: lastTs, journal };
    }
    const { run, cached } = this.live.read(spec, call);
    if (cached) this.#recordCached(call, run.result);
    return { ...run.result, ts: lastTs, journal: run.journal };
  }

  open(call: FunctionCall & { journal: string | null }, forcedId: LiveQueryId | null): OpenedQuery {
    const spec = this.#specOf(call, call.journal);
    if (spec === null) throw badRequest("InvalidTarget", "Live queries are named by their path");
    if (forcedId !== null) this.#blame(-Number(forcedId));
    const { id, state, cached } = this.live.open(spec, forcedId, call);
    if (cached) this.#recordCached(call, state.result);
    return { id, state };
  }

  mutation(seq: number, call: MutationCall, condemned: FunctionFailure | null = null): MutationResult {
    const { committer, store } = this.#options;
    const recovered = committer.recoveredCall(seq);
    if (recovered !== null) return recordedAnswer(recovered.resultJson, recovered.logLinesJson, recovered.ts);
    if (call.session !== undefined) {
      const known = store.sessionRequest(call.session.sessionId, call.session.requestId);
      if (known !== null) return recordedAnswer(known.resultJson, known.logLinesJson, known.ts);
    }
    if (condemned !== null) return { ok: false, error: condemned, logLines: [], ts: null };
    return this.memory.run(() => this.#runMutation(seq, call));
  }

  /** Runs a scheduled mutation, or marks a scheduled action as started. */
  job(seq: number, job: JobRef, condemned: FunctionFailure | null = null): JobAnswer {
    const recovered = this.#options.committer.recoveredCall(seq);
    if (recovered !== null) return JSON.parse(recovered.resultJson) as JobAnswer;
    const host: JobHost = {
      ...this.#options,
      deployment: () => this.#deployment,
      transaction: () => this.#transaction(false, null),
      runMutation: (call, tx, callee, running) => {
        const { result, context, startedMs } = this.#runInTransaction(call, tx, callee, running);
        this.#log.record(call, callee, result, context, startedMs);
        return result;
      },
      commit: (tx, answer) =>
        this.#commit(tx, null, () => this.#recordedCall(seq, JSON.stringify(answer), "[]")),
    };
    return this.memory.run(() => runJob(host, job, condemned));
  }

  prepareAction(call: FunctionCall): PreparedAction {
    return prepareAction(this.#deployment, this.#transaction(true, null), call);
  }

  lookup(target: FunctionTarget, identity: Identity): UdfType | null {
    const found = findTarget(this.#deployment, target, identity);
    return found.ok ? found.info.udfType : null;
  }

  /** Runs an operation of the server itself and commits what it wrote. */
  system(seq: number, operation: string, argsJson: string, condemned: FunctionFailure | null = null): string {
    const recovered = this.#options.committer.recoveredCall(seq);
    if (recovered !== null) return recovered.resultJson;
    if (condemned !== null) throw new LensletError("Internal", "InternalServerError", condemned.message);
    const tx = this.#transaction(false, null);
    const result = runSystemOperation(operation, JSON.parse(argsJson) as JsonValue, {
      tx,
      deployment: this.#deployment,
      clock: this.#options.clock,
      random: this.#options.random,
      pendingPushes: this.#pendingPushes,
      tokenSecret: this.#options.uploadSecret,
      snapshots: this.#snapshots,
      streamSnapshots: this.#streamSnapshots,
      progress: this.#backfiller,
      storeFile: this.#storeFile,
    });
    const resultJson = JSON.stringify(result ?? null);
    this.#commit(tx, null, () => this.#recordedCall(seq, resultJson, "[]"));
    return resultJson;
  }

  get hasBackfillWork(): boolean {
    return this.#backfillPending && this.#options.isFollower !== true;
  }

  /** One slice of building indexes and validating documents for a push. */
  backfillStep(): void {
    this.#measures.begin();
    const tx = this.#transaction(false, null);
    const isIdle = this.#backfiller.step(tx) === "idle";
    if (isIdle) this.#backfillPending = false;
    this.#commit(tx, null, () => null);
    const nowMs = this.#options.clock.monotonicMs();
    if (!isIdle && nowMs - this.#progressShownAtMs < progressShownMs) return;
    this.#progressShownAtMs = nowMs;
    this.live.invalidateProgress();
  }

  startVectorSearch(
    searches: VectorSearches,
    seq: number,
    { componentPath, argsJson }: EngineRequest & { readonly type: "vectorSearch" },
  ): void {
    const component = this.#deployment.components.get(componentPath);
    if (component === undefined)
      throw badRequest("ComponentPathNotFound", `Component ${componentPath} not found`);
    const args = JSON.parse(argsJson) as JsonObject;
    searches.start(seq, this.#transaction(true, null), component.namespace, args);
  }

  // ---- queries -------------------------------------------------------------------------------------------------

  #specOf(call: QueryCall, journal: string | null): QuerySpec | null {
    const { target } = call;
    if (target.kind !== "path") return null;
    return {
      path: canonicalPath(parseFunctionPath(target.path)),
      componentPath: target.componentPath,
      argsJson: call.argsJson,
      identity: call.identity,
      journal,
    };
  }

  #runLive(spec: QuerySpec, journal: string | null, asker: Asker | null): QueryRunResult {
    const call: FunctionCall = {
      target: { kind: "path", path: spec.path, componentPath: spec.componentPath },
      argsJson: spec.argsJson,
      identity: spec.identity,
      caller: asker?.caller ?? "SyncWorker",
      requestId: asker?.requestId ?? randomHex(this.#options.random, 8),
    };
    const { result, journal: newJournal, reads, context } = this.#watchQuery(call, journal, null);
    const { identity, clock, progress } = context?.observed ?? nothingObserved;
    return {
      result,
      journal: newJournal,
      reads,
      usedIdentity: identity,
      usedClock: clock,
      usedProgress: progress,
    };
  }

  /** Tells the watchdog whom to blame: a live query by its negated id, else the call that asks. */
  #blame(callSeq: number): void {
    const { clock, heartbeat } = this.#options;
    heartbeat.setCall(callSeq, computedMs(clock));
  }

  #watchQuery(call: QueryCall, journal: string | null, undo: TransactionUndo): Outcome {
    const run = () => this.#runQuery(call, journal, undo);
    // Code that comes with the call is an admin's, and forgotten when it has run: once.
    return call.inlineModules === undefined ? this.memory.run(run) : run();
  }

  #runQuery(call: QueryCall, journal: string | null, undo: TransactionUndo): Outcome {
    const tx = this.#transaction(true, undo);
    const system = systemFunctionOf(call, systemFunctions);
    if (system !== null) return this.#runSystem(call, system, tx, journal);
    const inline = inlineFunction(this.#deployment, call);
    const resolved = inline ?? resolveTarget(this.#deployment, call.target, call.identity, "Query");
    if (!resolved.ok) return failedBeforeRunning(resolved.failure, tx.reads);
    const { component, info } = resolved;
    const context = this.#context(callInto(component.componentPath, call), tx);
    const startedMs = this.#options.clock.nowMs();
    const run = this.#guarded(() =>
      runFunction(context, {
        component,
        info,
        kind: "query",
        inMutation: false,
        argsJson: call.argsJson,
        journal,
        depth: 0,
      }),
    );
    if (inline !== null) this.#options.runner.forget(component.code.id);
    logWarnings(context);
    const result = resultOf(run, context.logs);
    this.#log.record(call, resolved, result, context, startedMs);
    return { result, journal: run.journal, reads: tx.reads, context };
  }

  // ---- mutations -----------------------------------------------------------------------------------------------

  #runMutation(seq: number, call: MutationCall): MutationResult {
    const tx = this.#transaction(false, null);
    const system = systemFunctionOf(call, systemMutations);
    if (system !== null) {
      const { result } = this.#runSystem(call, tellingRefusals(system), tx, null);
      if (!result.ok) return { ...result, ts: null };
      const committed = this.#commitMutation(seq, call, tx, result);
      return { ...committed.result, ts: committed.ts };
    }
    const resolved = resolveTarget(this.#deployment, call.target, call.identity, "Mutation");
    if (!resolved.ok) return { ...failedBeforeRunning(resolved.failure, tx.reads).result, ts: null };
    const ran = this.#runInTransaction(call, tx, resolved, jobOf(call));
    let { result } = ran;
    let ts: CommitTs | null = null;
    if (result.ok) {
      const committed = this.#commitMutation(seq, call, tx, result);
      result = committed.result;
      ts = committed.ts;
    }
    this.#log.record(call, resolved, result, ran.context, ran.startedMs);
    return { ...result, ts };
  }

  /** Runs a mutation and commits nothing. */
  #runInTransaction(
    call: FunctionCall,
    tx: Transaction,
    { component, info }: CalledFunction,
    job: RunningJob | null,
  ): { result: FunctionResult; context: CallContext; startedMs: number } {
    const context = this.#context(callInto(component.componentPath, call), tx, job);
    this.#measures.runs(component, info);
    const startedMs = this.#options.clock.nowMs();
    const run = this.#guarded(() =>
      runFunction(context, {
        component,
        info,
        kind: "mutation",
        inMutation: true,
        argsJson: call.argsJson,
        journal: null,
        depth: 0,
      }),
    );
    logWarnings(context);
    return { result: resultOf(run, context.logs), context, startedMs };
  }

  #commitMutation(
    seq: number,
    call: MutationCall,
    tx: Transaction,
    result: FunctionResult & { ok: true },
  ): { result: FunctionResult; ts: CommitTs } {
    const { committer } = this.#options;
    const ts = this.#nextTs(tx);
    const valueJson = withCommitTs(result.valueJson, ts);
    const logLinesJson = result.logLines.length === 0 ? "[]" : JSON.stringify(result.logLines);
    const request: SessionRequest | null =
      call.session === undefined ? null : { ...call.session, ts, resultJson: valueJson, logLinesJson };
    const committedTs = this.#commit(tx, request, () => this.#recordedCall(seq, valueJson, logLinesJson), ts);
    return { result: { ...result, valueJson }, ts: committedTs ?? committer.lastTs };
  }

  /**
   * Commits what the transaction wrote, if anything. Returns the commit's ts or null. A session's mutation is recorded
   * even if it wrote nothing: sent again, it might now find something to write, after its client was told otherwise.
   */
  #commit(
    tx: Transaction,
    request: SessionRequest | null,
    recordCall: () => RecordedCall | null,
    ts: CommitTs = this.#nextTs(tx),
  ): CommitTs | null {
    noteMismatches(tx);
    const writes = tx.finish(ts);
    if (writes.length === 0 && request === null) return null;
    this.#options.committer.commit(ts, writes, request, recordCall());
    this.#committed(writes);
    return ts;
  }

  /** Applies a commit that another node has made; returns the request of a session that it answers. */
  follow(record: LogRecord): SessionRequest | null {
    const { writes, request } = this.#options.committer.follow(record);
    this.#committed(writes);
    return request;
  }

  #committed(writes: readonly DocumentWrite[]): void {
    this.#snapshots.committed(writes, this.#options.committer.catalog);
    this.#streamSnapshots.committed(writes, this.#options.committer.catalog);
    this.#measures.written(writes);
    this.live.invalidate(writes);
    this.#scheduledMs = earlier(this.#scheduledMs, earliestDueMs(writes));
    if (touchesBackfills(writes)) this.#backfillPending = true;
    if (dropsOrChangesIndexes(writes)) this.live.invalidateAll();
    if (touchesDeployment(writes)) this.#reloadDeployment();
  }

  #recordedCall(seq: number, resultJson: string, logLinesJson: string): RecordedCall {
    return { boot: this.#options.boot, callSeq: seq, resultJson, logLinesJson };
  }

  // ---- system functions ------------------------------------------------------------------------------------------

  #runSystem(call: FunctionCall, system: SystemFunction, tx: Transaction, journal: string | null): Outcome {
    const context = this.#context(call, tx);
    let newJournal: string | null = null;
    const run = this.#guarded(() => {
      const { convexCloudUrl, convexSiteUrl } = this.#deployment.canonicalUrls;
      return runSystemFunction(system, call, tx, {
        cloudUrl: convexCloudUrl,
        siteUrl: convexSiteUrl,
        cursorSecret: this.#options.cursorSecret,
        uploadSecret: this.#options.uploadSecret,
        random: this.#options.random,
        nowMs: context.nowMs,
        journal,
        setJournal: (text) => {
          newJournal = text;
        },
        progress: () => {
          context.observed.progress = true;
          return this.#backfiller;
        },
      });
    });
    return { result: resultOf(run, context.logs), journal: newJournal, reads: tx.reads, context };
  }

  // ---- shared ------------------------------------------------------------------------------------------------------

  #transaction(readOnly: boolean, undo: TransactionUndo, usage?: TransactionUsage): Transaction {
    const { store, committer, clock, random } = this.#options;
    const nowMs = clock.nowMs();
    const beginMs = Math.max(nowMs, Number(committer.lastTs / 1000n + 1n) / 1000);
    if (!readOnly) this.#beginMs = beginMs;
    return new Transaction({
      store,
      catalog: committer.catalog,
      snapshotTs: committer.lastTs,
      beginMs,
      newInternalId: () => newInternalId(random, nowMs),
      readOnly,
      rows: this.#measures.rows,
      ...(readOnly ? {} : { frozen: this.#deployment.unmounted }),
      ...(undo === null ? {} : { undo }),
      ...(usage === undefined ? {} : { usage }),
    });
  }

  /**
   * A commit is not before the creation times it gives, and the next transaction begins after it: so creation times
   * grow from commit to commit whatever the clock does, and whoever carries on after a restart.
   */
  #nextTs({ usage }: Transaction): CommitTs {
    const written = usage.documentsWritten + usage.systemDocumentsWritten;
    return this.#options.committer.nextTs(this.#beginMs + (written + 1) * creationStepMs);
  }

  #context(call: FunctionCall, tx: Transaction, job = jobOf(call)): CallContext {
    return newCallContext(this.#options, {
      deployment: this.#deployment,
      memory: this.memory,
      call,
      tx,
      job,
      fetchedFiles: this.#files,
      staleSnapshot: () => this.#transaction(true, null, tx.usage),
    });
  }

  /** Turns what escapes a run into the failure its caller sees. */
  #guarded(run: () => FunctionRunResult): FunctionRunResult {
    try {
      return run();
    } catch (error) {
      // The attempt does not count.
      if (error instanceof FilesAwaited) throw error;
      const refusal = this.memory.refusal(error);
      if (refusal === null && !(error instanceof LensletError)) this.#options.reportDefect(error);
      return failedRun(error, refusal);
    }
  }

  #recordCached(call: FunctionCall, result: FunctionResult): void {
    const found = findTarget(this.#deployment, call.target, call.identity);
    if (found.ok) this.#log.recordCached(call, found, result);
  }

  #loadDeployment(version: number): LoadedDeployment {
    const tx = this.#transaction(true, null);
    const { cloudUrl, siteUrl } = this.#options;
    return loadDeployment(tx, { version, cloudUrl, siteUrl });
  }

  #reloadDeployment(): void {
    const old = this.#deployment;
    this.#deployment = this.#loadDeployment(old.version + 1);
    const kept = new Set([...this.#deployment.components.values()].map(({ code }) => code.id));
    for (const { code } of old.components.values())
      if (!kept.has(code.id)) this.#options.runner.forget(code.id);
    this.#deploymentChanged = true;
    // What became due during a pause has waited for its end.
    if (old.paused && !this.#deployment.paused) this.#scheduledMs = 0;
    this.live.invalidateAll();
  }
}

type TransactionUndo = readonly (readonly DocumentWrite[])[] | null;
