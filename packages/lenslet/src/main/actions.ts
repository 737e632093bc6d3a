import type { Clock, Timers } from "../base/clock.ts";
import { internalErrorMessage, LensletError } from "../base/errors.ts";
import { type Random, randomHex } from "../base/random.ts";
import type {
  EngineApi,
  ExecutionLogEntry,
  FunctionCall,
  FunctionFailure,
  FunctionResult,
  PreparedAction,
} from "../engine/api.ts";
import { ArgumentError, parseReturnValue } from "../engine/arguments.ts";
import { callInto } from "../engine/componentBorders.ts";
import { parseFunctionPath, strippedPath } from "../engine/functionPath.ts";
import type { ReturnCheck } from "../engine/systemOperations.ts";
import type { EgressMap } from "../runner/actionHost/egress.ts";
import type { ActionOutcome, HostCode } from "../runner/actionHost/messages.ts";
import { externalPackagesOf } from "../runner/externalPackages.ts";
import { formatFailure, hostFailure } from "../runner/failure.ts";
import { formatLogLine } from "../runner/logLines.ts";
import type { HttpActionCall, HttpActionConnection, HttpActionEnd } from "../http/services.ts";
import { parseReturnsValidator } from "../values/validator.ts";
import { ActionAdmission, TaskQueue } from "./actionAdmission.ts";
import { ActionCode } from "./actionCode.ts";
import { ActionLog } from "./actionLog.ts";
import {
  type ActionLimits,
  defaultActionLimits,
  nodeArgumentBytesMax,
  nodeArgumentsTooLargeText,
  tooManyActionsText,
} from "./actionLimits.ts";
import { answerOperation, type OperationScope, type OperationTarget } from "./actionOperations.ts";
import { ActionPool } from "./actionPool.ts";
import type { ExternalPackages } from "./externalPackages.ts";
import { HttpActionRuns } from "./httpActionRuns.ts";

export interface ActionRunnerOptions {
  readonly engine: EngineApi;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Address of this server for its own child processes, which send files to it. */
  readonly localOrigin: string;
  /** `ctx.meta.getDeploymentMetadata().name` */
  readonly instanceName: string;
  /** Log lines as they come and the end of each action, for stream_function_logs. */
  readonly executed: (entries: readonly ExecutionLogEntry[]) => void;
  readonly report: (level: "info" | "warn" | "error", message: string) => void;
  readonly limits?: Partial<ActionLimits>;
  readonly egress?: EgressMap;
  /** Absent: code that needs packages does not find them. */
  readonly externalPackages?: ExternalPackages;
}

export interface ActionRunner {
  /**
   * Runs an action to its end: resolves, checks arguments, runs it in an action host, checks what it returns. At most
   * once. Rejects with LensletError only when it has not been run (RateLimited, a component that does not exist).
   */
  run(call: FunctionCall): Promise<FunctionResult>;
  /** As HttpHandlerOptions.runHttpAction. */
  runHttp(call: HttpActionCall, connection: HttpActionConnection): Promise<HttpActionEnd>;
  /** Ends all processes; what still runs fails. */
  close(): Promise<void>;
}

export function createActionRunner(options: ActionRunnerOptions): ActionRunner {
  return new Actions(options);
}

type Prepared = PreparedAction & { readonly ok: true };

/** Code may change between preparing an action and loading what it runs; more often than this in a row it does not. */
const preparationsMax = 5;

class Actions implements ActionRunner {
  readonly #options: ActionRunnerOptions;
  readonly #limits: ActionLimits;
  readonly #pool: ActionPool;
  readonly #code: ActionCode;
  readonly #admissions: Readonly<Record<"isolate" | "node", ActionAdmission>>;
  readonly #http: HttpActionRuns;
  #nextId = 1;
  #running = 0;

  constructor(options: ActionRunnerOptions) {
    const { engine, timers, clock, report } = options;
    this.#options = options;
    this.#limits = { ...defaultActionLimits, ...options.limits };
    this.#pool = new ActionPool({
      limits: this.#limits,
      clock,
      report,
      egress: options.egress ?? {},
      externalPackagesFolder: options.externalPackages?.root ?? null,
    });
    this.#code = new ActionCode(engine);
    this.#admissions = {
      isolate: new ActionAdmission(this.#limits, timers),
      node: new ActionAdmission(this.#limits, timers),
    };
    this.#http = new HttpActionRuns({
      ...options,
      code: this.#code,
      admission: this.#admissions.isolate,
      timeMsMax: this.#limits.isolateTimeMsMax,
      nextId: () => this.#nextId++,
      pool: this.#pool,
      operations: (target) => {
        const scope = this.#scope(target);
        const queue = new TaskQueue(this.#limits.operationsPerAction);
        return (op, argsJson) => queue.run(() => answerOperation(op, argsJson, scope));
      },
    });
  }

  run(call: FunctionCall): Promise<FunctionResult> {
    return this.#run(call, null);
  }

  runHttp(call: HttpActionCall, connection: HttpActionConnection): Promise<HttpActionEnd> {
    return this.#counted(() => this.#http.run(call, connection));
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.totalMax) {
      throw new LensletError(
        "RateLimited",
        "TooManyConcurrentRequests",
        tooManyActionsText(this.#limits.totalMax),
      );
    }
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }

  #run(call: FunctionCall, parentExecutionId: string | null): Promise<FunctionResult> {
    return this.#counted(async () => {
      const prepared = await this.#prepare(call);
      if ("error" in prepared) return failed(prepared.error.message);
      const callee = callInto(prepared.action.componentPath, call);
      // A callee must not wait for its caller's place.
      if (parentExecutionId !== null) return await this.#execute(callee, prepared, parentExecutionId);
      const admission = this.#admissions[prepared.action.environment];
      await admission.enter();
      try {
        return await this.#execute(callee, prepared, null);
      } finally {
        admission.leave();
      }
    });
  }

  async #prepare(
    call: FunctionCall,
  ): Promise<{ action: Prepared; code: HostCode } | { error: FunctionFailure }> {
    for (let tries = 0; tries < preparationsMax; tries++) {
      const action = await this.#options.engine.prepareAction(call);
      if (!action.ok) return { error: action.error };
      const code = await this.#code.get(action.componentPath, action.codeId, action.environment);
      if (code !== null && action.environment === "node") {
        try {
          // There since the push, unless the data folder has been moved without them.
          await this.#options.externalPackages?.ensure(externalPackagesOf(code.modules));
        } catch (error) {
          if (!(error instanceof LensletError)) throw error;
          return { error: { message: `${error.message}\n` } };
        }
      }
      if (code !== null) return { action, code };
    }
    throw new LensletError("Internal", "InternalServerError", "The code of the action keeps changing.");
  }

  async #execute(
    call: FunctionCall,
    { action, code }: { action: Prepared; code: HostCode },
    parentExecutionId: string | null,
  ): Promise<FunctionResult> {
    const { clock, random, executed } = this.#options;
    const { componentPath, functionPath, environment } = action;
    const executionId = randomHex(random, 16);
    const execution = { call, componentPath, environment, executionId, parentExecutionId };
    const identifier = strippedPath(parseFunctionPath(functionPath));
    const log = new ActionLog(
      { ...execution, udfType: "Action", identifier, startedMs: clock.nowMs() },
      executed,
    );
    const outcome = await this.#runInHost(call, action, code, executionId, log);
    const ended = outcome.ok ? await this.#checkReturns(action, outcome.resultJson) : outcome;
    const logLines = log.lines.map(formatLogLine);
    const result: FunctionResult = ended.ok
      ? { ok: true, valueJson: ended.resultJson, logLines }
      : { ok: false, error: failureOf(ended), logLines };
    log.completed(
      ended.ok
        ? { error: null, returnBytes: ended.resultJson.length }
        : { error: failureOf(ended).message, returnBytes: null },
      clock.nowMs(),
    );
    return result;
  }

  async #runInHost(
    call: FunctionCall,
    action: Prepared,
    code: HostCode,
    executionId: string,
    log: ActionLog,
  ): Promise<ActionOutcome> {
    const { environment, componentPath, functionPath } = action;
    const { isolateTimeMsMax, nodeTimeMsMax, operationsPerAction } = this.#limits;
    if (environment === "node" && Buffer.byteLength(call.argsJson) > nodeArgumentBytesMax) {
      return { ok: false, failure: hostFailure(nodeArgumentsTooLargeText) };
    }
    const { module, name } = parseFunctionPath(functionPath);
    const scope = this.#scope({ call, componentPath, functionPath, environment, executionId });
    const operations = new TaskQueue(environment === "node" ? Infinity : operationsPerAction);
    const place = { kind: environment, componentPath, code, functionKey: functionPath };
    const process = this.#pool.take(place);
    return await process.run(
      {
        id: this.#nextId++,
        codeId: code.id,
        modulePath: module,
        exportName: name,
        argsJson: call.argsJson,
        requestId: executionId,
        timeMsMax: environment === "node" ? nodeTimeMsMax : isolateTimeMsMax,
      },
      code,
      {
        operation: (op, argsJson) => operations.run(() => answerOperation(op, argsJson, scope)),
        lines: (lines) => log.progress(lines, this.#options.clock.nowMs()),
        ranAway: () => this.#pool.ranAway(place, process),
      },
    );
  }

  #scope(target: OperationTarget): OperationScope {
    const { engine, timers, instanceName, report } = this.#options;
    return {
      engine,
      timers,
      ...target,
      instanceName,
      operationMsMax: this.#limits.operationMsMax,
      localOrigin: this.#options.localOrigin,
      runAction: (callee) => this.#run(callee, target.executionId),
      reportDefect: (error) =>
        report("error", `in an action's call: ${(error as Error)?.stack ?? String(error)}`),
    };
  }

  /** Decoding, size, validator (functions.md §4.3); names of tables are known to the engine only. */
  async #checkReturns(action: Prepared, resultJson: string): Promise<ActionOutcome> {
    const { componentPath, functionPath, returnsJson } = action;
    try {
      if (returnsJson?.includes('"id"') === true) {
        const request = { componentPath, functionPath, returnsJson, resultJson };
        const answer = await this.#options.engine.system("action.checkReturns", JSON.stringify(request));
        const check = JSON.parse(answer) as ReturnCheck;
        if (!check.ok) return { ok: false, failure: hostFailure(check.message) };
        return { ok: true, resultJson: check.valueJson };
      }
      const info = { path: parseFunctionPath(functionPath), returns: parseReturnsValidator(returnsJson) };
      const noIds = { tableNameOf: () => null };
      return { ok: true, resultJson: parseReturnValue(resultJson, info, noIds, false) };
    } catch (error) {
      if (error instanceof ArgumentError) return { ok: false, failure: hostFailure(error.message) };
      this.#options.report("error", `while checking what an action returned: ${(error as Error)?.stack}`);
      return { ok: false, failure: hostFailure(internalErrorMessage) };
    }
  }
}

function failed(message: string): FunctionResult {
  return { ok: false, error: { message }, logLines: [] };
}

function failureOf(outcome: ActionOutcome & { ok: false }): FunctionFailure {
  const message = formatFailure(outcome.failure);
  const { dataJson } = outcome.failure;
  return dataJson === undefined ? { message } : { message, dataJson };
}
