import { unreachable } from "../base/assert.ts";
import type { TableColumns } from "../engine/streamOperations.ts";
import type { OutputFormat } from "../protocol/http.ts";
import { formatEncoded } from "../protocol/outputFormat.ts";
import type { FieldValidator, ObjectValidator, Validator } from "../values/validator.ts";

export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * JSON schemas of the documents of tables as a streaming export writes them (http-api.md §10.3), by component and table.
 * What no schema declares is described by the names of its columns alone.
 */
export function jsonSchemasOf(
  tables: readonly TableColumns[],
  format: OutputFormat,
  isDelta: boolean,
): Record<string, Record<string, JsonSchema>> {
  const components: Record<string, Record<string, JsonSchema>> = { "": {} };
  for (const table of tables) {
    const ofComponent = (components[table.component] ??= {});
    ofComponent[table.name] = documentSchema(table, format, isDelta);
  }
  return components;
}

function documentSchema(
  { validator, columns }: TableColumns,
  format: OutputFormat,
  isDelta: boolean,
): JsonSchema {
  const fields = validator === null ? null : fieldsOf(validator);
  const declared =
    fields === null
      ? columns.map((name): [string, JsonSchema] => [name, {}])
      : Object.entries(fields).map(([name, { fieldType }]): [string, JsonSchema] => [
          name,
          schemaOf(fieldType, format),
        ]);
  const required = Object.entries(fields ?? {}).flatMap(([name, { optional }]) => (optional ? [] : [name]));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    type: "object",
    properties: {
      ...Object.fromEntries(declared),
      _id: { type: "string" },
      _creationTime: { type: "number" },
      ...(isDelta ? deltaProperties : {}),
    },
    additionalProperties: fields === null,
    // A row that says that a document was deleted has no more than its id.
    required: isDelta
      ? ["_id", "_component", "_table", "_ts", "_deleted"]
      : ["_id", "_creationTime", ...required],
  };
}

const deltaProperties = {
  _component: { type: "string" },
  _table: { type: "string" },
  _ts: { type: "integer" },
  _deleted: { type: "boolean" },
};

/** Of a document: a union of objects has the fields of all of them. Null: any. */
function fieldsOf(validator: Validator): ObjectValidator["value"] | null {
  if (validator.type === "object") return validator.value;
  if (validator.type !== "union") return null;
  const members = validator.value.map(fieldsOf);
  const objects = members.filter((member) => member !== null);
  if (objects.length < members.length) return null;
  const names = new Set(objects.flatMap((member) => Object.keys(member)));
  return Object.fromEntries([...names].map((name) => [name, fieldOfAny(objects, name)]));
}

function fieldOfAny(members: readonly ObjectValidator["value"][], name: string): FieldValidator {
  const found = members.flatMap((member) => member[name] ?? []);
  const [only] = found;
  const types = found.map(({ fieldType }) => fieldType);
  return {
    fieldType: only !== undefined && types.length === 1 ? only.fieldType : { type: "union", value: types },
    optional: found.length < members.length || found.some(({ optional }) => optional),
  };
}

function schemaOf(validator: Validator, format: OutputFormat): JsonSchema {
  switch (validator.type) {
    case "any":
      return {};
    case "null":
    case "boolean":
    case "string":
    case "number":
      return { type: validator.type };
    case "bigint":
    case "commitTs":
      return int64Schema(format);
    case "bytes":
      return format === "clean" ? { type: "string" } : wrapped("$bytes");
    case "id":
      return { type: "string", description: `Id of a document in "${validator.tableName}"` };
    case "literal":
      return { const: literal(validator.value, format) };
    case "array":
      return { type: "array", items: schemaOf(validator.value, format) };
    case "record":
      return { type: "object", additionalProperties: schemaOf(validator.values.fieldType, format) };
    case "union":
      return { anyOf: validator.value.map((member) => schemaOf(member, format)) };
    case "object": {
      const fields = Object.entries(validator.value);
      return {
        type: "object",
        properties: Object.fromEntries(
          fields.map(([name, { fieldType }]) => [name, schemaOf(fieldType, format)]),
        ),
        additionalProperties: false,
        required: fields.flatMap(([name, { optional }]) => (optional ? [] : [name])),
      };
    }
    default:
      return unreachable(validator);
  }
}

function int64Schema(format: OutputFormat): JsonSchema {
  switch (format) {
    case "clean":
      return { type: "string" };
    case "export":
      return { type: "integer" };
    case "encoded":
      return wrapped("$integer");
    default:
      return unreachable(format);
  }
}

function wrapped(key: "$bytes" | "$integer"): JsonSchema {
  return {
    type: "object",
    properties: { [key]: { type: "string" } },
    additionalProperties: false,
    required: [key],
  };
}

function literal(json: unknown, format: OutputFormat): unknown {
  return JSON.parse(formatEncoded(JSON.stringify(json), format)) as unknown;
}
