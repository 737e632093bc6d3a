import {
  type ActionBuilder,
  actionGeneric,
  type DataModelFromSchemaDefinition,
  type MutationBuilder,
  mutationGeneric,
  type QueryBuilder,
  queryGeneric,
} from "convex/server";
import type schema from "./schema.ts";

// What `convex codegen` would write to _generated/server: the bench pushes without leaving files in the repository.

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
export const action: ActionBuilder<DataModel, "public"> = actionGeneric;
export const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;
export const query: QueryBuilder<DataModel, "public"> = queryGeneric;
