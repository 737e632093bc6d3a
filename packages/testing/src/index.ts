export { convexTest } from "./convexTest.ts";
export type {
  TestConvex,
  TestConvexForDataModel,
  TestConvexForDataModelAndIdentity,
  TestConvexRoot,
} from "./types.ts";
