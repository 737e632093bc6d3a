import { z } from "zod";
import { badRequest } from "../base/errors.ts";
import { parseValidator, renderValidator, type Validator } from "../values/validator.ts";
import { checkIndexRules } from "./indexRules.ts";
import type { SchemaJson, TableJson } from "./schemaTypes.ts";

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
 * Tables come out in name order, so that equal schemas have equal texts. Throws BadRequest with the code of the rule.
 */
export function parseSchemaJson(json: unknown): SchemaJson {
  const parsed = schemaShape.safeParse(json);
  if (!parsed.success)
    throw badRequest("InvalidSchema", `The schema is invalid: ${z.prettifyError(parsed.error)}`);
  const tables = parsed.data.tables.map((table): TableJson => {
    const staged = table.stagedDocumentType;
    return {
      tableName: table.tableName,
      indexes: table.indexes ?? [],
      stagedDbIndexes: table.stagedDbIndexes ?? [],
      searchIndexes: table.searchIndexes ?? [],
      stagedSearchIndexes: table.stagedSearchIndexes ?? [],
      vectorIndexes: table.vectorIndexes ?? [],
      stagedVectorIndexes: table.stagedVectorIndexes ?? [],
      documentType: parseDocumentType(table.documentType ?? { type: "any" }),
      ...(staged === undefined || staged === null ? {} : { stagedDocumentType: parseDocumentType(staged) }),
    };
  });
  tables.sort((a, b) => (a.tableName < b.tableName ? -1 : a.tableName > b.tableName ? 1 : 0));
  const schema: SchemaJson = { tables, schemaValidation: parsed.data.schemaValidation ?? false };
  checkIndexRules(schema);
  return schema;
}

/** The text under which a schema is stored, shown and compared. */
export function stringifySchema(schema: SchemaJson): string {
  return JSON.stringify(schema);
}

/** Decodes a text written by `stringifySchema`. */
export function decodeSchema(text: string): SchemaJson {
  return JSON.parse(text) as SchemaJson;
}

function parseDocumentType(json: unknown): Validator {
  const validator = parseValidator(json);
  if (!isDocumentValidator(validator)) {
    throw badRequest(
      "InvalidTopLevelTypeInSchemaError",
      "The document validator in a schema must be an object, a union of objects, or `v.any()`. " +
        `Found ${renderValidator(validator)}. ` +
        "To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.",
    );
  }
  return withoutSystemFields(validator);
}

function isDocumentValidator(validator: Validator): boolean {
  if (validator.type === "union") return validator.value.every((member) => isDocumentValidator(member));
  return validator.type === "object" || validator.type === "any";
}

function withoutSystemFields(validator: Validator): Validator {
  if (validator.type === "union") return { ...validator, value: validator.value.map(withoutSystemFields) };
  if (validator.type !== "object") return validator;
  const fields = Object.entries(validator.value).filter(([name]) => !name.startsWith("_"));
  return { ...validator, value: Object.fromEntries(fields) };
}
