import type { GenericSchema, SchemaDefinition } from "convex/server";
import type { ModuleGlob, TestConvex } from "../../../../packages/testing/src/types.ts";

export type { TestConvexForDataModel } from "../../../../packages/testing/src/types.ts";
export function convexTest<SchemaDef extends SchemaDefinition<GenericSchema, boolean>>(
  schema: SchemaDef,
  modules: ModuleGlob,
): TestConvex<SchemaDef>;
