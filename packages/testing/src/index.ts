export { convexTest } from "./convexTest.ts";
export type { ConvexTestOptions } from "./convexTest.ts";
export type {
  ComponentMount,
  Fault,
  ModuleGlob,
  TestConvex,
  TestConvexForDataModel,
  TestConvexForDataModelAndIdentity,
  TestConvexRoot,
  TestSubscription,
  TransactionLimitOptions,
} from "./types.ts";
