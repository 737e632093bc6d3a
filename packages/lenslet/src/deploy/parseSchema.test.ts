import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { parseSchemaJson } from "./parseSchema.ts";

const anyDocument = { type: "any" };
const object = (fields: Record<string, unknown>) => ({
  type: "object",
  value: Object.fromEntries(
    Object.entries(fields).map(([name, fieldType]) => [name, { fieldType, optional: false }]),
  ),
});
const text = { type: "string" };

function table(overrides: Record<string, unknown>) {
  return {
    tables: [{ tableName: "t", indexes: [], documentType: anyDocument, ...overrides }],
    schemaValidation: true,
  };
}
const index = (...fields: string[]) => ({ indexDescriptor: "by_x", fields });

const letters = (count: number) => Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));

function refusal(schema: unknown): { code: string; message: string } {
  try {
    parseSchemaJson(schema);
  } catch (error) {
    if (error instanceof LensletError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("the schema was accepted");
}

describe("schema rules (reference database.md §8)", () => {
  it.each([
    [
      { tableName: "1t" },
      "InvalidTableName",
      'Invalid table name: "1t". Identifiers must start with a letter and can only contain letters, digits, and underscores.',
    ],
    [{ tableName: "_t" }, "TableNameReserved", "_t is a reserved table name."],
    [
      { indexes: [{ indexDescriptor: "a b", fields: ["x"] }] },
      "InvalidIndexName",
      'In table "t": Invalid index name: "a b". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.',
    ],
    [
      { indexes: [{ indexDescriptor: "by_id", fields: ["x"] }] },
      "IndexNameReserved",
      'In table "t" cannot name an index "by_id" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".',
    ],
    [
      {
        indexes: [index("x")],
        stagedSearchIndexes: [{ indexDescriptor: "by_x", searchField: "x", filterFields: [] }],
      },
      "IndexNamesNotUnique",
      'Table "t" has two or more definitions of index "by_x".',
    ],
    [{ indexes: [index()] }, "EmptyIndex", 'In table "t" index "by_x" must have at least one field.'],
    [
      { stagedDbIndexes: [index()] },
      "EmptyIndex",
      'In table "t" staged index "by_x" must have at least one field.',
    ],
    [
      { indexes: [index("a..b")] },
      "InvalidIndexField",
      'In table "t": In index "by_x": Invalid index field: "a..b"',
    ],
    [
      { indexes: [index("a", "a")] },
      "FieldsNotUniqueWithinIndex",
      'In table "t": In index "by_x": Duplicate field "a". Index fields must be unique within an index.',
    ],
    [
      { indexes: [index("_id")] },
      "IndexFieldsContainId",
      'In table "t": In index "by_x": `_id` is not a valid index field. To load documents by ID, use `db.get(id)`.',
    ],
    [
      { indexes: [index("a", "_creationTime")] },
      "IndexFieldsContainCreationTime",
      'In table "t": In index "by_x": `_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.',
    ],
    [
      { indexes: [index("_other")] },
      "IndexFieldNameReserved",
      'In table "t": In index "by_x": Reserved fields (starting with `_`) are not allowed in indexes.',
    ],
    [
      { indexes: [index(...letters(16))] },
      "IndexTooManyFields",
      'In table "t": In index "by_x": Indexes may have up to 16 fields.',
    ],
    [
      { indexes: [index("a")], stagedDbIndexes: [{ indexDescriptor: "again", fields: ["a"] }] },
      "IndexNotUnique",
      'In table "t" index "by_x" and index "again" have the same fields. Indexes must be unique within a table.',
    ],
    [
      { searchIndexes: [{ indexDescriptor: "s", searchField: "a", filterFields: letters(17) }] },
      "IndexTooManyFilterFields",
      'In table "t": Search indexes may have up to 16 filter fields.',
    ],
    [
      { vectorIndexes: [{ indexDescriptor: "v", vectorField: "a", dimensions: 1, filterFields: [] }] },
      "InvalidVectorDimensionError",
      'In table "t": Dimensions 1 must be between 2 and 4096.',
    ],
    [
      { indexes: Array.from({ length: 65 }, (_, i) => ({ indexDescriptor: `i${i}`, fields: [`f${i}`] })) },
      "TooManyIndexes",
      'Table "t" cannot have more than 64 indexes.',
    ],
    [
      { vectorIndexes: [{ indexDescriptor: "v", vectorField: "a", dimensions: 4097, filterFields: [] }] },
      "InvalidVectorDimensionError",
      'In table "t": Dimensions 4097 must be between 2 and 4096.',
    ],
    [
      {
        searchIndexes: [{ indexDescriptor: "s", searchField: "a", filterFields: ["b", "c"] }],
        stagedSearchIndexes: [{ indexDescriptor: "r", searchField: "a", filterFields: ["c", "b"] }],
      },
      "SearchIndexFieldNotUnique",
      'In table "t" search index "s" and search index "r" have the same `searchField`. Search index fields must be unique within a table.',
    ],
    [
      {
        vectorIndexes: [
          { indexDescriptor: "v", vectorField: "a", dimensions: 2, filterFields: [] },
          { indexDescriptor: "w", vectorField: "a", dimensions: 2, filterFields: ["b"] },
        ],
      },
      "VectorIndexFieldNotUnique",
      'In table "t" vector index "v" and vector index "w" have the same `vectorField`. Vector index fields must be unique within a table.',
    ],
    [
      {
        indexes: [index("a")],
        stagedVectorIndexes: [{ indexDescriptor: "by_x", vectorField: "a", dimensions: 2, filterFields: [] }],
      },
      "IndexNamesNotUnique",
      'Table "t" has two or more definitions of index "by_x".',
    ],
    [
      { documentType: object({ a: text }), indexes: [index("b")] },
      "SchemaDefinitionError",
      'In table "t" the index "by_x" is invalid because it references the field "b" that does not exist.',
    ],
    [
      {
        documentType: object({ a: text }),
        vectorIndexes: [{ indexDescriptor: "v", vectorField: "a", dimensions: 2, filterFields: [] }],
      },
      "SchemaDefinitionError",
      'In table "t" the vector index "v" is invalid because it references the field "a" that is neither an array of float64 or optional array of float64.',
    ],
    [
      { documentType: { type: "array", value: text } },
      "InvalidTopLevelTypeInSchemaError",
      "The document validator in a schema must be an object, a union of objects, or `v.any()`. Found v.array(v.string()). To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.",
    ],
  ])("refuses %j with %s", (overrides, code, message) => {
    expect(refusal(table(overrides))).toEqual({ code, message });
  });

  it("accepts what is just within the limits", () => {
    const vector = (vectorField: string, dimensions: number) => ({
      indexDescriptor: vectorField,
      vectorField,
      dimensions,
      filterFields: letters(16),
    });
    const schema = table({
      indexes: [
        index(...letters(15)),
        ...Array.from({ length: 60 }, (_, i) => ({ indexDescriptor: `i${i}`, fields: [`f${i}`] })),
      ],
      searchIndexes: [{ indexDescriptor: "s", searchField: "a", filterFields: letters(16) }],
      vectorIndexes: [vector("least", 2), vector("most", 4096)],
    });
    expect(parseSchemaJson(schema).tables).toHaveLength(1);
  });

  it("takes 10,000 tables and no more", () => {
    const tables = Array.from({ length: 10_001 }, (_, i) => ({ tableName: `t${i}` }));
    expect(parseSchemaJson({ tables: tables.slice(1) }).tables).toHaveLength(10_000);
    expect(refusal({ tables })).toEqual({
      code: "TooManyTables",
      message: "Number of tables cannot exceed 10000.",
    });
  });

  it("finds indexed fields through unions, records and optional objects", () => {
    const documentType = {
      type: "union",
      value: [
        object({ kind: text }),
        object({
          kind: text,
          place: object({ city: text }),
          vector: { type: "array", value: { type: "number" } },
        }),
        object({ tags: { type: "record", keys: text, values: { fieldType: text, optional: false } } }),
      ],
    };
    const schema = parseSchemaJson(
      table({
        documentType,
        indexes: [index("kind", "place.city", "tags.x")],
        vectorIndexes: [
          { indexDescriptor: "v", vectorField: "vector", dimensions: 3, filterFields: ["kind"] },
        ],
      }),
    );
    expect(schema.tables[0]?.indexes).toEqual([index("kind", "place.city", "tags.x")]);
  });

  it("allows unknown fields in indexes when documents are not validated", () => {
    const schema = table({ documentType: object({ a: text }), indexes: [index("b")] });
    expect(parseSchemaJson({ ...schema, schemaValidation: false }).schemaValidation).toBe(false);
  });

  it("drops top-level system fields from validators and orders tables by name", () => {
    const schema = parseSchemaJson({
      tables: [
        { tableName: "b", indexes: [], documentType: object({ _id: text, a: text }) },
        { tableName: "a", indexes: null },
      ],
    });
    expect(schema.tables.map(({ tableName, documentType }) => [tableName, documentType])).toEqual([
      ["a", { type: "any" }],
      ["b", object({ a: text })],
    ]);
  });
});
