import { badRequest } from "../base/errors.ts";
import { parseValidator, renderValidator, type Validator } from "../values/validator.ts";
import { checkIndexRules } from "./indexRules.ts";
import type { IndexJson, SchemaJson, SearchIndexJson, TableJson, VectorIndexJson } from "./schemaTypes.ts";

type List<T> = readonly T[] | null | undefined;

/** What `schema.export()` of the `convex` package gives, of any release. Its validators are still unknown. */
export interface ExportedSchema {
  readonly tables: readonly {
    readonly tableName: string;
    readonly indexes?: List<IndexJson>;
    readonly stagedDbIndexes?: List<IndexJson>;
    readonly searchIndexes?: List<SearchIndexJson>;
    readonly stagedSearchIndexes?: List<SearchIndexJson>;
    readonly vectorIndexes?: List<VectorIndexJson>;
    readonly stagedVectorIndexes?: List<VectorIndexJson>;
    readonly documentType?: unknown;
    readonly stagedDocumentType?: unknown;
  }[];
  readonly schemaValidation?: boolean | undefined;
}

/**
 * The schema with nothing left out, its tables in name order, so that equal schemas have equal texts. Throws BadRequest
 * with the code of the rule that it breaks.
 */
export function normalizeSchema({ tables: exported, schemaValidation = false }: ExportedSchema): SchemaJson {
  const tables = exported.map((table): TableJson => {
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
  const schema: SchemaJson = { tables, schemaValidation };
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
