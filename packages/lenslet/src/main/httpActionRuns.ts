import type { Clock } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import { type Random, randomHex } from "../base/random.ts";
import type { EngineApi, ExecutionLogEntry, FunctionCall } from "../engine/api.ts";
import { pausedMessage } from "../engine/deployment.ts";
import type { PreparedHttpAction } from "../engine/httpActions.ts";
import type { HttpActionCall, HttpActionConnection, HttpActionEnd } from "../http/services.ts";
import type { HostCode, HttpHostMessage, OperationOutcome } from "../runner/actionHost/messages.ts";
import { unreachable } from "../base/assert.ts";
import { formatFailure, hostFailure } from "../runner/failure.ts";
import { outOfMemoryText } from "../runner/limits.ts";
import type { RunFailure } from "../runner/types.ts";
import type { ActionAdmission } from "./actionAdmission.ts";
import type { ActionCode } from "./actionCode.ts";
import { ActionLog } from "./actionLog.ts";
import type { OperationTarget } from "./actionOperations.ts";
import type { ActionPool } from "./actionPool.ts";

export interface HttpActionRunsOptions {
  readonly engine: EngineApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly executed: (entries: readonly ExecutionLogEntry[]) => void;
  readonly code: ActionCode;
  readonly admission: ActionAdmission;
  readonly timeMsMax: number;
  readonly nextId: () => number;
  readonly pool: ActionPool;
  /** Answers what one execution asks of the server. */
  readonly operations: (
    target: OperationTarget,
  ) => (op: string, argsJson: string) => Promise<OperationOutcome>;
}

type Prepared = PreparedHttpAction & { readonly kind: "run" };

/** See actions.ts. */
const preparationsMax = 5;

/** Runs HTTP actions: like actions, but what they get and give are streams. */
export class HttpActionRuns {
  readonly #options: HttpActionRunsOptions;

  constructor(options: HttpActionRunsOptions) {
    this.#options = options;
  }

  async run(call: HttpActionCall, connection: HttpActionConnection): Promise<HttpActionEnd> {
    const prepared = await this.#prepare(call);
    if ("kind" in prepared) {
      if (prepared.kind !== "paused") return { kind: prepared.kind };
      return { kind: "failed", failure: hostFailure(pausedMessage) };
    }
    const { admission } = this.#options;
    await admission.enter();
    try {
      return await this.#execute(call, prepared, connection);
    } finally {
      admission.leave();
    }
  }

  async #prepare({
    method,
    path,
  }: HttpActionCall): Promise<
    { readonly target: Prepared; readonly code: HostCode } | Exclude<PreparedHttpAction, Prepared>
  > {
    const { engine, code } = this.#options;
    for (let tries = 0; tries < preparationsMax; tries++) {
      const answer = await engine.system("http.prepare", JSON.stringify({ method, path }));
      const target = JSON.parse(answer) as PreparedHttpAction;
      if (target.kind !== "run") return target;
      const found = await code.get(target.componentPath, target.codeId, "isolate");
      if (found !== null) return { target, code: found };
    }
    throw new LensletError("Internal", "InternalServerError", "The code of the action keeps changing.");
  }

  async #execute(
    request: HttpActionCall,
    { target, code }: { readonly target: Prepared; readonly code: HostCode },
    connection: HttpActionConnection,
  ): Promise<HttpActionEnd> {
    const { clock, random, executed, nextId, pool, timeMsMax } = this.#options;
    const { componentPath, identifier, localPath } = target;
    const { identity, requestId, client, method, url, headers, hasBody } = request;
    const call: FunctionCall = {
      target: { kind: "path", path: "http", componentPath },
      argsJson: "[]",
      identity,
      caller: "HttpEndpoint",
      requestId,
      client,
    };
    const environment = "isolate";
    const executionId = randomHex(random, 16);
    const log = new ActionLog(
      {
        call,
        udfType: "HttpAction",
        componentPath,
        identifier,
        environment,
        executionId,
        parentExecutionId: null,
        startedMs: clock.nowMs(),
      },
      executed,
    );
    const functionPath = "http.js:default";
    const operation = this.#options.operations({
      call,
      componentPath,
      functionPath,
      environment,
      executionId,
    });
    const place = { kind: environment, componentPath, code, functionKey: `http ${identifier}` } as const;
    const process = pool.take(place);
    const id = nextId();
    const sent = { status: null as number | null, bytes: 0 };
    let receivedBytes = 0;
    const ended = process.run(
      {
        id,
        codeId: code.id,
        modulePath: "http.js",
        exportName: "default",
        argsJson: "[]",
        requestId: executionId,
        timeMsMax,
        http: { method, url, routePath: localPath, headers, hasBody },
      },
      code,
      {
        operation,
        lines: (lines) => log.progress(lines, clock.nowMs()),
        ranAway: () => pool.ranAway(place, process),
        http: (message) => forward(message, connection, sent),
      },
    );
    connection.started({
      body: (bytes) => {
        receivedBytes += bytes?.length ?? 0;
        process.tell({ type: "requestBody", action: id, bytes });
      },
      taken: (bytes) => process.tell({ type: "responseCredit", action: id, bytes }),
      disconnected: () => process.tell({ type: "disconnected", action: id }),
    });
    const outcome = await ended;
    const failure = outcome.ok ? null : withRequestSize(outcome.failure, receivedBytes);
    const error = failure === null ? null : formatFailure(failure);
    const status = sent.status ?? (outcome.ok ? 200 : 500);
    log.completed({ error, returnBytes: sent.bytes, status }, clock.nowMs());
    return failure === null ? { kind: "ended" } : { kind: "failed", failure };
  }
}

/** What it has been sent may be what filled its memory (functions.md §4.4). */
function withRequestSize(failure: RunFailure, bytes: number): RunFailure {
  if (failure.message !== outOfMemoryText) return failure;
  return { ...failure, message: `${outOfMemoryText}: request stream size was ${bytes} bytes` };
}

function forward(
  message: HttpHostMessage,
  connection: HttpActionConnection,
  sent: { status: number | null; bytes: number },
): void {
  switch (message.type) {
    case "responseHead":
      sent.status = message.status;
      connection.head(message.status, message.headers);
      return;
    case "responseBody":
      sent.bytes += message.bytes.length;
      connection.chunk(message.bytes);
      return;
    case "responseEnd":
      connection.end();
      return;
    case "requestCredit":
      connection.want(message.bytes);
      return;
    default:
      unreachable(message);
  }
}
