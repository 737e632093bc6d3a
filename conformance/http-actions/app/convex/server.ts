import {
  type DataModelFromSchemaDefinition,
  defineSchema,
  defineTable,
  type HttpActionBuilder,
  httpActionGeneric,
  type MutationBuilder,
  internalMutationGeneric,
  type QueryBuilder,
  queryGeneric,
} from "convex/server";
import { v } from "convex/values";

const schema = defineSchema({ notes: defineTable({ text: v.string() }) });
type Model = DataModelFromSchemaDefinition<typeof schema>;

/** What codegen would write, so that the tests need none. */
export const query = queryGeneric as QueryBuilder<Model, "public">;
export const internalMutation = internalMutationGeneric as MutationBuilder<Model, "internal">;
export const httpAction = httpActionGeneric as unknown as HttpActionBuilder;
