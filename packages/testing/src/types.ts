import type {
  DataModelFromSchemaDefinition,
  FunctionReference,
  FunctionReturnType,
  GenericActionCtx,
  GenericDataModel,
  GenericMutationCtx,
  GenericQueryCtx,
  GenericSchema,
  OptionalRestArgs,
  RequestMetadata,
  SchemaDefinition,
  UserIdentity,
} from "convex/server";

/** What `import.meta.glob` gives: how to load each file, by its path. */
export type ModuleGlob = Readonly<Record<string, () => Promise<unknown>>>;

/** Budgets of one transaction, each on its own. */
export interface TransactionLimitOptions {
  readonly documentsRead?: number;
  readonly bytesRead?: number;
  readonly databaseQueries?: number;
  readonly documentsWritten?: number;
  readonly bytesWritten?: number;
  readonly functionsScheduled?: number;
  readonly scheduledFunctionArgsBytes?: number;
}

/** A live query as a test watches it: what a client would be shown, result by result. */
export interface TestSubscription<Result> {
  /** Every result so far, oldest first; a commit that changes nothing adds none. */
  readonly results: readonly Result[];
  /** The newest result; throws what the query throws now. */
  readonly current: Result;
  /** Resolves with the next result after now; rejects when the query throws. */
  next(): Promise<Result>;
  /** Resolves when every commit so far has been taken into account. */
  settled(): Promise<void>;
  unsubscribe(): void;
}

/** A failure that a test plants, to see what its functions do when the platform or the network fails them. */
export interface Fault {
  /** The function that is hit, such as "messages:send". */
  readonly fn: string;
  /** Of that component; "" is the app. */
  readonly componentPath?: string;
  /**
   * `start` (default): it does not run at all. `answer`: it runs, and is committed if it is a mutation of its own, but
   * whoever called it is told that it failed, as when a connection breaks. Functions called within a transaction know
   * no lost answers.
   */
  readonly at?: "start" | "answer";
  readonly error?: Error;
  /** How many calls are hit; 1 if not given. */
  readonly times?: number;
}

/** How a component is mounted: tests say it, because `convex.config.ts` only works in a bundle. */
export interface ComponentMount {
  /** Where its parent serves its HTTP routes, e.g. "/auth/"; of the app (""), the prefix of its own. */
  readonly httpPrefix?: string;
  /** All that `process.env` has within its functions, besides CONVEX_CLOUD_URL and CONVEX_SITE_URL. */
  readonly env?: Readonly<Record<string, string>>;
}

type AnyReference<Type extends "query" | "mutation" | "action"> = FunctionReference<
  Type,
  "public" | "internal"
>;

/** The result of calling a reference or of running an inline function. */
type ResultOf<Callee> =
  Callee extends FunctionReference<"query" | "mutation" | "action", "public" | "internal">
    ? FunctionReturnType<Callee>
    : Callee extends (ctx: never) => Promise<infer Output>
      ? Output
      : never;

type ArgsOf<Callee> =
  Callee extends FunctionReference<"query" | "mutation" | "action", "public" | "internal">
    ? OptionalRestArgs<Callee>
    : [];

/** What a test does with the deployment under test: call functions, look into the database, pass time. */
export interface TestConvexForDataModel<DataModel extends GenericDataModel> {
  /** Calls a public or internal query, or runs an inline function with a query's `ctx`. */
  query<Callee extends AnyReference<"query"> | ((ctx: GenericQueryCtx<DataModel>) => Promise<unknown>)>(
    query: Callee,
    ...args: ArgsOf<Callee>
  ): Promise<ResultOf<Callee>>;
  /** Calls a public or internal mutation, or runs an inline function with a mutation's `ctx`. */
  mutation<
    Callee extends AnyReference<"mutation"> | ((ctx: GenericMutationCtx<DataModel>) => Promise<unknown>),
  >(
    mutation: Callee,
    ...args: ArgsOf<Callee>
  ): Promise<ResultOf<Callee>>;
  /** Calls a public or internal action, or runs an inline function with an action's `ctx`. */
  action<Callee extends AnyReference<"action"> | ((ctx: GenericActionCtx<DataModel>) => Promise<unknown>)>(
    action: Callee,
    ...args: ArgsOf<Callee>
  ): Promise<ResultOf<Callee>>;
  /** Runs an inline function in a transaction of its own, for setting up and for looking at data and files. */
  run<Output>(
    body: (
      ctx: GenericMutationCtx<DataModel> & Pick<GenericActionCtx<DataModel>, "storage">,
    ) => Promise<Output>,
  ): Promise<Output>;
  /** Sends an HTTP request to the routes of `http.ts`. */
  fetch(pathQueryFragment: string, init?: RequestInit): Promise<Response>;
  /** Waits for the scheduled functions that are running now. */
  finishInProgressScheduledFunctions(): Promise<void>;
  /**
   * Calls `advanceTimers` (usually `vi.runAllTimers`) and waits for what is running, again and again, until no
   * scheduled function is waiting. Fails after `maxIterations` (100).
   */
  finishAllScheduledFunctions(advanceTimers: () => void, maxIterations?: number): Promise<void>;
  /** Watches a query as a client does. Not part of `convex-test`. */
  subscribe<Callee extends AnyReference<"query">>(
    query: Callee,
    ...args: ArgsOf<Callee>
  ): Promise<TestSubscription<ResultOf<Callee>>>;
  /** Makes a function fail when it is called next. Not part of `convex-test`. */
  injectFault(fault: Fault): void;
  /**
   * Under fake timers: lets `ms` pass with every scheduled function running at its own time. `advanceTimersByTime`: that
   * of `vi`. Not part of `convex-test`.
   */
  passTime(ms: number, advanceTimersByTime: (ms: number) => unknown): Promise<void>;
  /**
   * Starts the crons of `crons.ts`, also those of components: intervals run at once, the others at their next time. Under
   * fake timers `passTime` runs each at its own time. Not part of `convex-test`.
   */
  startCrons(): Promise<void>;
  stopCrons(): void;
  /** Runs one cron now and throws what it throws. Not part of `convex-test`. */
  runCron(identifier: string, componentPath?: string): Promise<void>;
  /** What functions that succeeded have written with `log.audit`, in order. Not part of `convex-test`. */
  readonly auditLog: readonly unknown[];
  /** The keys with which tokens of `ctx.auth.signJwt` are checked. Not part of `convex-test`. */
  jwks(): { readonly keys: readonly Readonly<Record<string, string>>[] };
  /** The same deployment as a signed-in user; issuer, subject and tokenIdentifier are made up when not given. */
  withIdentity(identity: Partial<UserIdentity>): TestConvexForDataModel<DataModel>;
  /** The same deployment, called from this address and user agent. */
  withRequestMetadata(
    metadata: Partial<Pick<RequestMetadata, "ip" | "userAgent">>,
  ): TestConvexForDataModel<DataModel>;
}

/** What {@link convexTest} returns. */
export interface TestConvexRoot<
  DataModel extends GenericDataModel,
> extends TestConvexForDataModel<DataModel> {
  /** Mounts a component; the path of a component within a component is "parent/child". */
  registerComponent(
    componentPath: string,
    schema: SchemaDefinition<GenericSchema, boolean>,
    glob: ModuleGlob,
  ): void;
  /** Says where the routes of a registered component are and what its environment is. Not part of `convex-test`. */
  mountComponent(componentPath: string, mount: ComponentMount): void;
}

export type TestConvex<SchemaDef extends SchemaDefinition<GenericSchema, boolean>> = TestConvexRoot<
  DataModelFromSchemaDefinition<SchemaDef>
>;

/** The older name of {@link TestConvexRoot}. */
export type TestConvexForDataModelAndIdentity<DataModel extends GenericDataModel> = TestConvexRoot<DataModel>;
