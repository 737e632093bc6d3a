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
import type { ModuleGlob } from "./modules.ts";

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
}

export type TestConvex<SchemaDef extends SchemaDefinition<GenericSchema, boolean>> = TestConvexRoot<
  DataModelFromSchemaDefinition<SchemaDef>
>;

/** The older name of {@link TestConvexRoot}. */
export type TestConvexForDataModelAndIdentity<DataModel extends GenericDataModel> = TestConvexRoot<DataModel>;
