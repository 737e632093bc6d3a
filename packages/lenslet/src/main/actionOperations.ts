import type { Timers } from "../base/clock.ts";
import { internalErrorMessage, isDeveloperError, LensletError } from "../base/errors.ts";
import type { EngineApi, FunctionCall, FunctionResult, FunctionTarget } from "../engine/api.ts";
import { authTokenOf } from "../engine/callContext.ts";
import { storageOps } from "../engine/storageSyscalls.ts";
import { parseFunctionPath, strippedPath } from "../engine/functionPath.ts";
import type { OperationOutcome } from "../runner/actionHost/messages.ts";
import { systemTimedOutText } from "../runner/limits.ts";

/** The action that asks. */
export interface OperationTarget {
  readonly call: FunctionCall;
  readonly componentPath: string;
  /** Canonical. */
  readonly functionPath: string;
  readonly executionId: string;
  readonly environment: "isolate" | "node";
}

export interface OperationScope extends OperationTarget {
  readonly engine: EngineApi;
  readonly timers: Timers;
  readonly instanceName: string;
  readonly operationMsMax: number;
  /** Of this server, as seen from this machine. */
  readonly localOrigin: string;
  /** Runs an action on behalf of this one. */
  readonly runAction: (call: FunctionCall) => Promise<FunctionResult>;
  readonly reportDefect: (error: unknown) => void;
}

type Arguments = Readonly<Record<string, unknown>>;
type Handler = (args: Arguments, scope: OperationScope) => Promise<string> | string;

/** A callee's failure, as its caller's rejected promise carries it (functions.md §6.3). */
class CalleeFailure extends Error {
  readonly dataJson: string | undefined;
  constructor(message: string, dataJson: string | undefined) {
    super(message);
    this.dataJson = dataJson;
  }
}

const handlers: Readonly<Record<string, Handler>> = {
  "1.0/actions/query": async (args, scope) =>
    valueOf(await limited(scope, scope.engine.query(calleeOf(args, scope)))),
  "1.0/actions/mutation": async (args, scope) =>
    valueOf(await limited(scope, scope.engine.mutation(calleeOf(args, scope)))),
  // The callee has time limits of its own.
  "1.0/actions/action": async (args, scope) => valueOf(await scope.runAction(calleeOf(args, scope))),
  "1.0/actions/vectorSearch": (args, scope) =>
    limited(scope, scope.engine.vectorSearch(scope.componentPath, JSON.stringify(args))),
  "1.0/actions/schedule": (args, scope) => schedulerOperation("scheduler.schedule", args, scope),
  "1.0/actions/cancel_job": (args, scope) => schedulerOperation("scheduler.cancel", args, scope),
  "1.0/getUserIdentity": (_args, { call: { identity } }) => {
    if (identity.kind === "anonymous" && identity.error !== undefined) {
      throw new CalleeFailure(identity.error, undefined);
    }
    if (identity.kind === "user") return JSON.stringify(identity.attributes);
    return JSON.stringify(identity.kind === "admin" ? identity.actingAs : null);
  },
  "storage/storeBlob": (_args, scope) =>
    localUrl(storageOperation("1.0/storageGenerateUploadUrl", {}, scope), scope),
  "storage/getBlob": (args, scope) => localUrl(storageOperation("storage/getBlob", args, scope), scope),
  "1.0/createFunctionHandle": ({ name, reference, functionHandle }, scope) => {
    const request = { componentPath: scope.componentPath, address: { name, reference, functionHandle } };
    return limited(scope, scope.engine.system("action.functionHandle", JSON.stringify(request)));
  },
  "1.0/getFunctionMetadata": (_args, { functionPath, componentPath }) =>
    JSON.stringify({ name: strippedPath(parseFunctionPath(functionPath)), componentPath }),
  "1.0/getDeploymentMetadata": (_args, { instanceName }) =>
    JSON.stringify({ name: instanceName, region: null, class: "s16" }),
  "1.0/getRequestMetadata": (_args, { call }) => {
    const { ip, userAgent } = call.client ?? { ip: null, userAgent: null };
    return JSON.stringify({
      ip,
      userAgent,
      requestId: call.requestId,
      scheduledFunctionId: call.scheduledFunctionId ?? null,
      authToken: authTokenOf(call.identity),
    });
  },
};

/** File operations of actions: each commits on its own. */
function storageOperation(op: string, args: unknown, scope: OperationScope): Promise<string> {
  const request = { componentPath: scope.componentPath, op, args };
  return limited(scope, scope.engine.system("action.storage", JSON.stringify(request)));
}

/** Where the action host sends or fetches a file's bytes: this server, by its own address. */
async function localUrl(url: Promise<string>, { localOrigin }: OperationScope): Promise<string> {
  const text = JSON.parse(await url) as string | null;
  if (text === null) return "null";
  const { pathname, search } = new URL(text);
  return JSON.stringify({ url: `${localOrigin}${pathname}${search}` });
}

const refusals: Readonly<Record<string, string>> = {
  "1.0/auditLog": "Audit logging is not yet supported in actions",
  // The backtick at the start is the reference's.
  "1.0/createServiceToken":
    '`getServiceToken("ai-gateway")` isn\'t available on this deployment because the AI gateway is a Convex Cloud service. Deploy to Convex Cloud, or call your model provider directly with your own API key.',
  "1.0/getServiceUrl":
    '`getServiceUrl("ai-gateway")` isn\'t available on this deployment because the AI gateway is a Convex Cloud service. Deploy to Convex Cloud, or call your model provider directly with your own API key.',
};

/** Answers an asynchronous syscall of an action. Never rejects: every failure is one that user code may catch. */
export async function answerOperation(
  op: string,
  argsJson: string,
  scope: OperationScope,
): Promise<OperationOutcome> {
  try {
    return { ok: true, resultJson: await answer(op, argsJson, scope) };
  } catch (error) {
    if (error instanceof CalleeFailure) {
      const { message, dataJson } = error;
      return dataJson === undefined ? { ok: false, message } : { ok: false, message, dataJson };
    }
    if (isDeveloperError(error)) {
      const { message, data } = error;
      return data === undefined
        ? { ok: false, message }
        : { ok: false, message, dataJson: JSON.stringify(data) };
    }
    if (!(error instanceof LensletError)) scope.reportDefect(error);
    return { ok: false, message: internalErrorMessage };
  }
}

function answer(op: string, argsJson: string, scope: OperationScope): Promise<string> | string {
  const refusal = Object.hasOwn(refusals, op) ? refusals[op] : undefined;
  if (refusal !== undefined) throw new CalleeFailure(refusal, undefined);
  if (storageOps.has(op)) return storageOperation(op, parseArguments(op, argsJson), scope);
  const handler = Object.hasOwn(handlers, op) ? handlers[op] : undefined;
  if (handler === undefined) {
    const kind = scope.environment === "node" ? "Unknown operation" : "Unknown async operation";
    throw new CalleeFailure(`${kind} ${op}`, undefined);
  }
  return handler(parseArguments(op, argsJson), scope);
}

function parseArguments(op: string, argsJson: string): Arguments {
  try {
    const args: unknown = JSON.parse(argsJson);
    if (typeof args === "object" && args !== null && !Array.isArray(args)) return args as Arguments;
  } catch {
    // Reported below.
  }
  throw new CalleeFailure(`Invalid ${op} request with args ${argsJson}`, undefined);
}

function calleeOf(args: Arguments, scope: OperationScope): FunctionCall {
  const { name, reference, functionHandle } = args;
  const target: FunctionTarget = {
    kind: "reference",
    fromComponentPath: scope.componentPath,
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof reference === "string" ? { reference } : {}),
    ...(typeof functionHandle === "string" ? { functionHandle } : {}),
  };
  const { identity, requestId, client, scheduledFunctionId } = scope.call;
  return {
    target,
    argsJson: JSON.stringify([args["args"] ?? {}]),
    identity,
    caller: "Action",
    requestId,
    parentExecutionId: scope.executionId,
    ...(client === undefined ? {} : { client }),
    ...(scheduledFunctionId === undefined ? {} : { scheduledFunctionId }),
  };
}

/** Each one is a transaction of its own, committed at once. */
function schedulerOperation(operation: string, args: Arguments, scope: OperationScope): Promise<string> {
  const { componentPath, call } = scope;
  const request = { componentPath, scheduledFunctionId: call.scheduledFunctionId ?? null, args };
  return limited(scope, scope.engine.system(operation, JSON.stringify(request)));
}

function valueOf(result: FunctionResult): string {
  if (result.ok) return result.valueJson;
  throw new CalleeFailure(result.error.message, result.error.dataJson);
}

/** One operation may not take for ever (limits.md #20); what it did may have been done all the same. */
function limited<T>(scope: OperationScope, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = scope.timers.setTimeout(
      () => reject(new CalleeFailure(systemTimedOutText, undefined)),
      scope.operationMsMax,
    );
    work.then(resolve, reject).finally(cancel);
  });
}
