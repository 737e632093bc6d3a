import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { normalizeSchema } from "./schemaJson.ts";
import type { SchemaJson } from "./schemaTypes.ts";

const indexShape = z.object({ indexDescriptor: z.string(), fields: z.array(z.string()) });
const searchIndexShape = z.object({
  indexDescriptor: z.string(),
  searchField: z.string(),
  filterFields: z.array(z.string()),
});
const vectorIndexShape = z.object({
  indexDescriptor: z.string(),
  vectorField: z.string(),
  // The package's own type calls it optional, but a vector index cannot be built without it.
  dimensions: z.number(),
  filterFields: z.array(z.string()),
});
const listOf = <T extends z.ZodType>(shape: T) => z.array(shape).nullish();
const schemaShape = z.object({
  tables: z.array(
    z.object({
      tableName: z.string(),
      indexes: listOf(indexShape),
      stagedDbIndexes: listOf(indexShape),
      searchIndexes: listOf(searchIndexShape),
      stagedSearchIndexes: listOf(searchIndexShape),
      vectorIndexes: listOf(vectorIndexShape),
      stagedVectorIndexes: listOf(vectorIndexShape),
      documentType: z.unknown().optional(),
      stagedDocumentType: z.unknown().optional(),
    }),
  ),
  schemaValidation: z.boolean().optional(),
});

/**
 * Parses the untrusted result of `schema.export()` and checks every rule of reference database.md §8.1 and §8.2.
 * Throws BadRequest with the code of the rule.
 */
export function parseSchemaJson(json: unknown): SchemaJson {
  const parsed = schemaShape.safeParse(json);
  if (!parsed.success)
    throw badRequest("InvalidSchema", `The schema is invalid: ${z.prettifyError(parsed.error)}`);
  return normalizeSchema(parsed.data);
}
