import { createHash } from "node:crypto";
import { badRequest, type LensletError } from "../base/errors.ts";
import { makeLogLine } from "../runner/logLines.ts";
import {
  invalidArguments,
  isJsonObject,
  type JsonObject,
  optionalInteger,
} from "../transaction/syscallArguments.ts";
import { defaultTransactionLimits } from "../transaction/usage.ts";
import type { JsonValue } from "../values/json.ts";
import { resolveChildReference, type ResolvedFunction } from "./componentBorders.ts";
import { type ComponentCode, type FunctionInfo, functionOf, type LoadedDeployment } from "./deployment.ts";
import { authTokenOf, type CallContext } from "./callContext.ts";
import { storageOps, storageSyscall, type StorageScope } from "./storageSyscalls.ts";
import {
  canonicalPath,
  type FunctionPath,
  inComponent,
  parseFunctionPath,
  strippedPath,
} from "./functionPath.ts";
import { cancel, schedule, selfCancelWarning } from "./scheduling.ts";
import { jwtIssuer, jwtKeyOf, signJwt } from "./jwtSigning.ts";

/** A call of `ctx.runQuery` / `ctx.runMutation`, resolved. */
export interface NestedCall {
  readonly udfType: "query" | "mutation" | "snapshotQuery";
  readonly component: ComponentCode;
  readonly info: FunctionInfo;
  readonly args: JsonValue;
  readonly transactionLimits: Readonly<Record<string, number>>;
}

export interface HostSyscallScope {
  readonly context: CallContext;
  readonly component: ComponentCode;
  readonly info: FunctionInfo;
  readonly kind: "query" | "mutation";
  readonly depth: number;
  readonly nested: (call: NestedCall) => string;
}

export type HostSyscallHandler = (args: JsonObject, scope: HostSyscallScope) => string;

/** Every syscall of queries and mutations that is not a database operation. Results are JSON texts. */
const handlers: Readonly<Record<string, HostSyscallHandler>> = {
  "1.0/runUdf": runUdf,
  "1.0/schedule": (args, { context, component, kind }) => {
    if (kind === "query") throw unknownOperation("1.0/schedule");
    const { tx, job, nowMs } = context;
    const resolve = (address: JsonObject, missing: MissingFunction) =>
      resolveFunction(address, component, context, missing);
    return JSON.stringify(schedule(args, { tx, component, resolve, job, nowMs }));
  },
  "1.0/cancel_job": (args, { context, component, kind }) => {
    if (kind === "query") throw unknownOperation("1.0/cancel_job");
    const { tx, job, nowMs, logs } = context;
    if (!cancel(args, { tx, component, job, nowMs })) {
      logs.log(makeLogLine("WARN", [selfCancelWarning], nowMs));
    }
    return "null";
  },
  "1.0/createFunctionHandle": (args, { component, context }) =>
    JSON.stringify(handleOf(args, component, context)),
  "1.0/getUserIdentity": (_args, { context }) => {
    context.observed.identity = true;
    const { identity } = context;
    if (identity.kind === "anonymous" && identity.error !== undefined) {
      throw badRequest("Unauthenticated", identity.error);
    }
    return JSON.stringify(context.userIdentity);
  },
  "1.0/getFunctionMetadata": (_args, { info, component }) =>
    JSON.stringify({ name: strippedPath(info.path), componentPath: component.componentPath }),
  "1.0/getTransactionMetrics": (_args, { context }) => JSON.stringify(context.tx.metrics()),
  "1.0/getDeploymentMetadata": (_args, { context }) =>
    JSON.stringify({ name: context.instanceName, region: null, class: "s16" }),
  "1.0/getRequestMetadata": (_args, { context, kind }) => {
    if (kind === "query")
      throw badRequest("RequestMetadataNotAllowed", "Cannot get request metadata in a Query");
    const { ip, userAgent } = context.client;
    // Beyond a component's border the identity is not told, and so its token is not either.
    const authToken = context.userIdentity === null ? null : authTokenOf(context.identity);
    return JSON.stringify({
      ip,
      userAgent,
      requestId: context.requestId,
      scheduledFunctionId: context.job?.idText ?? null,
      authToken,
    });
  },
  "1.0/getSnapshotTs": (_args, { context }) => {
    context.observed.clock = true;
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(context.tx.snapshotTs);
    return JSON.stringify({ $integer: bytes.toString("base64") });
  },
  "1.0/auditLog": (args, { context }) => {
    context.audit.write(args["body"], context);
    return "null";
  },
  "1.0/signJwt": (args, { context, component, kind }) => {
    if (kind === "query") throw badRequest("SignJwtInQuery", "Tokens can be signed in mutations only.");
    const { deployment, jwtSecret, nowMs } = context;
    const issuer = jwtIssuer(deployment.canonicalUrls.convexCloudUrl, component.componentPath);
    return JSON.stringify(signJwt(args, { issuer, nowMs, key: jwtKeyOf(jwtSecret) }));
  },
  "1.0/componentArgument": (args, { component }) => {
    if (component.componentPath === "") {
      throw badRequest("ComponentArgumentsInApp", "Component arguments are not available within the app");
    }
    const name = args["name"];
    const text = typeof name === "string" ? component.args[name] : undefined;
    return text === undefined ? "{}" : `{"value":${text}}`;
  },
};

export function hostSyscall(op: string, args: JsonObject, scope: HostSyscallScope): string {
  const handler = Object.hasOwn(handlers, op) ? handlers[op] : undefined;
  if (handler !== undefined) return handler(args, scope);
  if (storageOps.has(op)) return storageSyscall(op, args, storageScope(scope));
  throw unknownOperation(op);
}

export function unknownOperation(op: string): LensletError {
  return badRequest("UnknownAsyncOperation", `Unknown async operation ${op}`);
}

function storageScope({ context, component }: HostSyscallScope): StorageScope {
  const { tx, deployment, uploadSecret, nowMs, readContents, nextSeed } = context;
  const cloudUrl = deployment.canonicalUrls.convexCloudUrl;
  const { namespace } = component;
  return { tx, namespace, cloudUrl, tokenSecret: uploadSecret, nowMs, randomBytes: nextSeed, readContents };
}

function runUdf(args: JsonObject, scope: HostSyscallScope): string {
  const udfType = args["udfType"];
  if (udfType !== "query" && udfType !== "mutation" && udfType !== "snapshotQuery") {
    throw badRequest(
      "InvalidFunctionCall",
      `Only queries and mutations can be called as nested UDFs, got ${JSON.stringify(udfType)}`,
    );
  }
  if (scope.kind === "query" && udfType !== "query") {
    const callee = udfType === "mutation" ? "Mutation" : "SnapshotQuery";
    throw badRequest("InvalidFunctionCall", `Cannot call a ${callee} function from a Query function`);
  }
  const { component, info } = resolveFunction(args, scope.component, scope.context);
  const wanted = udfType === "mutation" ? "Mutation" : "Query";
  if (info.udfType !== wanted) {
    throw badRequest(
      "InvalidFunctionCall",
      `Trying to execute ${canonicalPath(info.path)}${inComponent(component.componentPath)} as ${wanted}, but it is defined as ${info.udfType}.`,
    );
  }
  const transactionLimits = transactionLimitsOf(args);
  return scope.nested({ udfType, component, info, args: args["args"] ?? {}, transactionLimits });
}

/** Fields that are no limits are ignored; null is what JSON makes of Infinity, and leaves a limit as it is. */
function transactionLimitsOf({ transactionLimits: json = null }: JsonObject): Record<string, number> {
  if (json === null) return {};
  if (!isJsonObject(json)) throw invalidArguments("runUdf", "field `transactionLimits` must be an object");
  const limits: Record<string, number> = {};
  for (const name of Object.keys(defaultTransactionLimits)) {
    const limit = optionalInteger(json, name, "runUdf");
    if (limit !== null) limits[name] = limit;
  }
  return limits;
}

/** The error for a function that is not there; `missing` says whether its module is. */
type MissingFunction = (
  component: ComponentCode,
  path: FunctionPath,
  missing: "module" | "function",
) => LensletError;

/** Resolves `{name}`, `{reference}` or `{functionHandle}` as seen from a component; visibility is not checked. */
export function resolveFunction(
  address: JsonObject,
  from: ComponentCode,
  context: Pick<CallContext, "deployment">,
  missing: MissingFunction = missingCallee,
): { component: ComponentCode; info: FunctionInfo } {
  const { name, reference, functionHandle } = address;
  if (typeof functionHandle === "string") return resolveHandle(functionHandle, context);
  if (typeof reference === "string") {
    const child = resolveChildReference(reference, from, context.deployment);
    return child ?? resolveReference(reference, from, missing);
  }
  if (typeof name === "string") return lookUp(name, from, missing);
  throw badRequest("InvalidReference", "Missing required argument 'name'");
}

function lookUp(
  text: string,
  component: ComponentCode,
  missing: MissingFunction,
): { component: ComponentCode; info: FunctionInfo } {
  const path = parseFunctionPath(text);
  const info = functionOf(component, path);
  if (info !== null) return { component, info };
  throw missing(component, path, component.modulePaths.has(path.module) ? "function" : "module");
}

export function missingCallee(
  _component: ComponentCode,
  path: FunctionPath,
  missing: "module" | "function",
): LensletError {
  return missing === "module"
    ? badRequest(
        "ModuleNotFound",
        `Couldn't find JavaScript module '${path.module}'. Did you forget to run \`npx convex dev\`?`,
      )
    : badRequest("FunctionNotFound", `Couldn't find "${path.name}" in module "${path.module}".`);
}

function resolveReference(
  reference: string,
  from: ComponentCode,
  missing: MissingFunction,
): { component: ComponentCode; info: FunctionInfo } {
  const own = /^_reference\/function\/(.+)$/.exec(reference);
  if (own?.[1] !== undefined) return lookUp(own[1], from, missing);
  throw badRequest("InvalidReference", `Couldn't resolve ${reference}`);
}

/**
 * One stable id for each (component, function path): a handle stays valid across pushes, stops resolving when the
 * function is deleted and revives when it is created again, with nothing to store.
 */
function handleId(component: ComponentCode, info: FunctionInfo): string {
  const address = `${component.componentPath}|${canonicalPath(info.path)}`;
  return createHash("sha256").update(address).digest("hex").slice(0, 32);
}

/** Every function by the id of its handle; made when the first handle is resolved after a push. */
const handleTables = new WeakMap<LoadedDeployment, ReadonlyMap<string, ResolvedFunction>>();

function handlesOf(deployment: LoadedDeployment): ReadonlyMap<string, ResolvedFunction> {
  const known = handleTables.get(deployment);
  if (known !== undefined) return known;
  const handles = new Map<string, ResolvedFunction>();
  for (const component of deployment.components.values())
    for (const info of component.functions.values())
      handles.set(handleId(component, info), { component, info });
  handleTables.set(deployment, handles);
  return handles;
}

/** `1.0/createFunctionHandle` as seen from a component: the handle's text. */
export function handleOf(
  address: JsonObject,
  from: ComponentCode,
  context: Pick<CallContext, "deployment">,
): string {
  if (typeof address["functionHandle"] === "string") return address["functionHandle"];
  const { component, info } = resolveFunction(address, from, context);
  return `function://${handleId(component, info)}#${strippedPath(info.path)}`;
}

function resolveHandle(handle: string, context: Pick<CallContext, "deployment">) {
  const id = /^function:\/\/([^#;]+)/.exec(handle)?.[1];
  if (id === undefined) throw badRequest("InvalidFunctionHandle", `Invalid function handle ${handle}`);
  const found = handlesOf(context.deployment).get(id);
  if (found !== undefined) return found;
  throw badRequest("FunctionHandleNotFound", "Function handle not found");
}
