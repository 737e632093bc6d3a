export { convexTest } from "./convexTest.ts";
export type { ConvexTestOptions } from "./convexTest.ts";
export type {
  Fault,
  ModuleGlob,
  TestConvex,
  TestConvexForDataModel,
  TestConvexForDataModelAndIdentity,
  TestConvexRoot,
  TestSubscription,
  TransactionLimitOptions,
} from "./types.ts";
