import {
  actionGeneric,
  type GenericDataModel,
  type GenericSchema,
  getFunctionAddress,
  mutationGeneric,
  queryGeneric,
  type SchemaDefinition,
  type UserIdentity,
} from "convex/server";
import { convexToJson, jsonToConvex } from "convex/values";
import { createHash } from "node:crypto";
import { jwksJson } from "../../lenslet/src/engine/jwtSigning.ts";
import { defaultTransactionLimits, type TransactionLimits } from "../../lenslet/src/transaction/usage.ts";
import { Backend } from "./backend.ts";
import type { Caller, Outcome, UserAttributes } from "./call.ts";
import type { Component, Resolved } from "./deployment.ts";
import { forTest } from "./failures.ts";
import { installGuards } from "./guards.ts";
import { answerRequest } from "./httpRequests.ts";
import { installHost, runOutside } from "./host.ts";
import { inspectFunction, type RegisteredFunction, udfTypeOf } from "./modules.ts";
import { jwtSecret, newRequestId } from "./platform.ts";
import type {
  ComponentMount,
  Fault,
  ModuleGlob,
  TestConvex,
  TestConvexRoot,
  TransactionLimitOptions,
} from "./types.ts";

export interface ConvexTestOptions<Schema extends GenericSchema> {
  readonly schema?: SchemaDefinition<Schema, boolean>;
  /** Every file of the functions folder: `import.meta.glob("./**\/*.*s")`. */
  readonly modules?: ModuleGlob;
  /** `false`: transactions may be of any size. Otherwise the platform's limits hold, except for those given here. */
  readonly transactionLimits?: TransactionLimitOptions | boolean;
}

/** A deployment of its own for one test: its tables are empty and nothing else can see them. */
export function convexTest<Schema extends GenericSchema>(
  schema?: SchemaDefinition<Schema, boolean>,
  modules?: ModuleGlob,
): TestConvex<SchemaDefinition<Schema, boolean>>;
export function convexTest<Schema extends GenericSchema>(
  options: ConvexTestOptions<Schema>,
): TestConvex<SchemaDefinition<Schema, boolean>>;
export function convexTest<Schema extends GenericSchema>(
  first?: SchemaDefinition<Schema, boolean> | ConvexTestOptions<Schema>,
  second?: ModuleGlob,
): TestConvex<SchemaDefinition<Schema, boolean>> {
  const options: ConvexTestOptions<Schema> = isSchema(first)
    ? { schema: first, ...(second === undefined ? {} : { modules: second }) }
    : { ...(second === undefined ? {} : { modules: second }), ...first };
  const { schema, modules, transactionLimits } = options;
  const backend = new Backend(limitsOf(transactionLimits));
  backend.addComponent("", schema ?? null, modules ?? defaultModules());
  const root = accessor(backend, { identity: null, ip: null, userAgent: null });
  return {
    ...root,
    registerComponent: (path: string, componentSchema: object, glob: ModuleGlob) =>
      backend.addComponent(path, componentSchema, glob),
    mountComponent: (path: string, mount: ComponentMount) => backend.deployment.mount(path, mount),
  } as unknown as TestConvex<SchemaDefinition<Schema, boolean>>;
}

function isSchema(value: unknown): value is SchemaDefinition<GenericSchema, boolean> {
  return typeof value === "object" && value !== null && "tables" in value;
}

const unlimited = Object.fromEntries(
  Object.keys(defaultTransactionLimits).map((name) => [name, Number.MAX_SAFE_INTEGER]),
) as unknown as TransactionLimits;

function limitsOf(option: TransactionLimitOptions | boolean | undefined): Partial<TransactionLimits> {
  if (option === false) return unlimited;
  return typeof option === "object" ? option : {};
}

function defaultModules(): ModuleGlob {
  try {
    // Vite replaces the call by a list of files, so it has to stand here in full.
    return (import.meta as unknown as { glob(pattern: string): ModuleGlob }).glob("/convex/**/*.*s");
  } catch {
    throw new Error(
      'convexTest needs your functions: pass import.meta.glob("./convex/**/*.*s") as `modules`, or let Vite process this ' +
        'package by `test: { server: { deps: { inline: ["@lenslet/testing"] } } }` in vitest.config.',
    );
  }
}

type Requester = Pick<Caller, "identity" | "ip" | "userAgent">;
type InlineFunction = (ctx: unknown) => Promise<unknown>;
type Args = Readonly<Record<string, unknown>>;

function accessor(backend: Backend, requester: Requester) {
  const app = () => backend.deployment.component("");
  const caller = (): Caller => ({
    ...requester,
    requestId: newRequestId(),
    job: null,
  });

  const run = async ({ component, fn }: Resolved, args: Args | undefined): Promise<unknown> => {
    const argsJson = argsJsonOf(args);
    return valueOf(await runInstalled(() => backend.run({ component, fn, argsJson, caller: caller() })));
  };

  const call =
    (kind: "Query" | "Mutation" | "Action", wrap: (body: InlineFunction) => RegisteredFunction) =>
    async (callee: unknown, args?: Args): Promise<unknown> => {
      if (typeof callee === "function") {
        const registered =
          udfTypeOf(callee) === null ? wrap(callee as InlineFunction) : (callee as RegisteredFunction);
        return run(inline(registered, app()), args);
      }
      const resolved = await backend.deployment.resolve(getFunctionAddress(callee), app());
      checkKind(resolved, kind);
      return run(resolved, args);
    };

  const query = call("Query", wrapQuery);
  const mutation = call("Mutation", wrapMutation);
  const action = call("Action", wrapAction);
  const inComponent = (path: string, body: InlineFunction) =>
    run(inline(wrapMutation(body), backend.deployment.component(path)), undefined);
  const fromPath =
    (kind: "Query" | "Mutation" | "Action") =>
    async (path: { readonly componentPath: string; readonly udfPath: string } | string, args?: Args) => {
      const { componentPath, udfPath } =
        typeof path === "string" ? { componentPath: "", udfPath: path } : path;
      const resolved = await backend.deployment.resolve(
        { name: udfPath },
        backend.deployment.component(componentPath),
      );
      checkKind(resolved, kind);
      return run(resolved, args);
    };

  return {
    query,
    mutation,
    action,
    runQuery: query,
    runMutation: mutation,
    runAction: action,
    queryFromPath: fromPath("Query"),
    snapshotQueryFromPath: fromPath("Query"),
    mutationFromPath: fromPath("Mutation"),
    actionFromPath: fromPath("Action"),
    run: (body: InlineFunction) => inComponent("", body),
    runInComponent: inComponent,
    fetch: (pathQueryFragment: string, init?: RequestInit) =>
      runInstalled(() => answerRequest(backend, caller(), pathQueryFragment, init)),
    fun: async (registered: RegisteredFunction, args?: Args) => run(inline(registered, app()), args),
    finishInProgressScheduledFunctions: () => backend.scheduler.finishInProgress(),
    finishAllScheduledFunctions: (advanceTimers: () => unknown, maxIterations = 100) =>
      backend.scheduler.finishAll(advanceTimers, maxIterations),
    subscribe: async (reference: unknown, args?: Args) => {
      const { component, fn } = await backend.deployment.resolve(getFunctionAddress(reference), app());
      checkKind({ component, fn }, "Query");
      const argsJson = argsJsonOf(args);
      const subscriptions = await backend.loadSubscriptions();
      return runInstalled(() => subscriptions.open({ component, fn, argsJson, caller: caller() }, valueOf));
    },
    startCrons: () => runInstalled(async () => (await backend.loadCrons()).start()),
    stopCrons: () => backend.crons?.stop(),
    runCron: (identifier: string, componentPath = "") =>
      runInstalled(async () => (await backend.loadCrons()).run(identifier, componentPath)).catch(
        (thrown: unknown) => {
          throw forTest(thrown);
        },
      ),
    auditLog: backend.auditLines,
    jwks: () => JSON.parse(jwksJson([jwtSecret])) as ReturnType<TestConvexRoot<GenericDataModel>["jwks"]>,
    injectFault: (fault: Fault) => backend.faults.plant(fault),
    passTime: (ms: number, advanceTimersByTime: (ms: number) => unknown) =>
      backend.scheduler.passTime(ms, advanceTimersByTime),
    withIdentity: (identity: Partial<UserIdentity>) =>
      accessor(backend, { ...requester, identity: completeIdentity(identity) }),
    withRequestMetadata: ({
      ip = null,
      userAgent = null,
    }: {
      ip?: string | null;
      userAgent?: string | null;
    }) => accessor(backend, { ...requester, ip, userAgent }),
  };
}

function argsJsonOf(args: Args | undefined): string {
  return JSON.stringify([convexToJson((args ?? {}) as Parameters<typeof convexToJson>[0])]);
}

function runInstalled<T>(body: () => Promise<T>): Promise<T> {
  installHost();
  installGuards();
  return runOutside(body);
}

function valueOf(outcome: Outcome): unknown {
  if (!outcome.ok) throw forTest(outcome.thrown);
  return jsonToConvex(JSON.parse(outcome.valueJson) as Parameters<typeof jsonToConvex>[0]);
}

function checkKind({ component, fn }: Resolved, wanted: "Query" | "Mutation" | "Action"): void {
  const { udfType, path } = fn.info;
  if (udfType === wanted) return;
  const where = component.path === "" ? "" : ` of component "${component.path}"`;
  throw new Error(
    `Expected a ${wanted.toLowerCase()} function, but \`${path.name}\` of module "${path.module}"${where} is defined as ${udfType}.`,
  );
}

function wrapQuery(body: InlineFunction): RegisteredFunction {
  return queryGeneric((ctx) => body(ctx)) as unknown as RegisteredFunction;
}

function wrapMutation(body: InlineFunction): RegisteredFunction {
  return mutationGeneric((ctx) => body(ctx)) as unknown as RegisteredFunction;
}

function wrapAction(body: InlineFunction): RegisteredFunction {
  return actionGeneric((ctx) => body(ctx)) as unknown as RegisteredFunction;
}

/** A function that no module exports, as one of `component`. */
function inline(registered: RegisteredFunction, component: Component): Resolved {
  const info = inspectFunction({ module: "_inline.js", name: "inline" }, registered);
  return { component, fn: { info, registered } };
}

function completeIdentity(given: Partial<UserIdentity>): UserAttributes {
  const issuer = given.issuer ?? "https://convex.test";
  const subject =
    given.subject ?? createHash("sha256").update(JSON.stringify(given)).digest("hex").slice(0, 16);
  const tokenIdentifier = given.tokenIdentifier ?? `${issuer}|${subject}`;
  return { ...(given as UserAttributes), issuer, subject, tokenIdentifier };
}
