import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import { isValueArray, isValueObject, type Value, type ValueObject } from "../values/value.ts";

/** What documents look like, inferred from all of them (reference http-api.md §9). */
export type Shape =
  | { readonly type: "Unknown" | "Never" | "Null" | "Int64" | "Boolean" | "String" | "Bytes" }
  | { readonly type: "Float64"; readonly float64Range: { readonly hasSpecialValues: boolean } }
  | { readonly type: "Id"; readonly tableName: string }
  | { readonly type: "Array"; readonly shape: Shape }
  | { readonly type: "Object"; readonly fields: readonly FieldShape[] }
  | {
      readonly type: "Record";
      readonly keyShape: Shape;
      readonly valueShape: { readonly optional: boolean; readonly shape: Shape };
    }
  | { readonly type: "Union"; readonly shapes: readonly Shape[] };
interface FieldShape {
  readonly fieldName: string;
  readonly optional: boolean;
  readonly shape: Shape;
}

/** Documents looked at for one answer; tables beyond it are Unknown, since part of a table says nothing for certain. */
const documentsMax = 4096;
const bytesMax = 4 * 1024 * 1024;
/** An object with more different fields is a record. */
const fieldsMax = 64;
const unionMax = 16;
const depthMax = 16;

const never: Shape = { type: "Never" };
const unknown: Shape = { type: "Unknown" };

/** Answer of `/api/shapes2`: every user table is a key. */
export function tableShapes(tx: Transaction, namespace: Namespace): Record<string, Shape> {
  const ids = tx.idContext(namespace);
  const nameOf = (number: number) => ids.tableNameOf(number)?.name ?? null;
  const tables = tx
    .catalog()
    .tables(namespace)
    .filter(({ system }) => !system);
  const shapes: Record<string, Shape> = Object.fromEntries(tables.map(({ name }) => [name, unknown]));
  let documentsLeft = documentsMax;
  let bytesLeft = bytesMax;
  for (const table of tables) {
    if (tx.count(table) > documentsLeft) continue;
    let shape = never;
    for (const { value, json } of tx.scan(table.byId, "", null, "asc")) {
      documentsLeft -= 1;
      bytesLeft -= json.length;
      shape = merged(shape, shapeOf(value, nameOf, 0));
      if (bytesLeft < 0) return shapes;
    }
    shapes[table.name] = shape;
  }
  return shapes;
}

function shapeOf(value: Value, nameOf: (number: number) => string | null, depth: number): Shape {
  if (depth > depthMax) return unknown;
  if (value === null) return { type: "Null" };
  switch (typeof value) {
    case "boolean":
      return { type: "Boolean" };
    case "bigint":
      return { type: "Int64" };
    case "number":
      return { type: "Float64", float64Range: { hasSpecialValues: !Number.isFinite(value) } };
    case "string": {
      const id = tryDecodeId(value);
      const tableName = id === null ? null : nameOf(id.tableNumber);
      return tableName === null ? { type: "String" } : { type: "Id", tableName };
    }
  }
  if (value instanceof ArrayBuffer) return { type: "Bytes" };
  if (isValueArray(value)) {
    let shape = never;
    for (const element of value) shape = merged(shape, shapeOf(element, nameOf, depth + 1));
    return { type: "Array", shape };
  }
  if (!isValueObject(value)) return { type: "Int64" };
  return objectShape(value, (field) => shapeOf(field, nameOf, depth + 1));
}

function objectShape(value: ValueObject, shapeOfField: (field: Value) => Shape): Shape {
  const fields = Object.entries(value).map(([fieldName, field]): FieldShape => {
    return { fieldName, optional: false, shape: shapeOfField(field) };
  });
  return fromFields(fields);
}

function fromFields(fields: readonly FieldShape[]): Shape {
  if (fields.length <= fieldsMax) {
    return { type: "Object", fields: fields.toSorted((a, b) => (a.fieldName < b.fieldName ? -1 : 1)) };
  }
  const shape = fields.reduce<Shape>((all, field) => merged(all, field.shape), never);
  return { type: "Record", keyShape: { type: "String" }, valueShape: { optional: false, shape } };
}

/** The shape of what has one of the two. */
function merged(a: Shape, b: Shape): Shape {
  if (a.type === "Never") return b;
  if (b.type === "Never") return a;
  if (a.type === "Unknown" || b.type === "Unknown") return unknown;
  const same = mergedSame(a, b);
  if (same !== null) return same;
  let members = a.type === "Union" ? [...a.shapes] : [a];
  for (const added of b.type === "Union" ? b.shapes : [b]) {
    const position = members.findIndex((member) => mergedSame(member, added) !== null);
    if (position === -1) members.push(added);
    else members = members.with(position, merged(members[position] as Shape, added));
  }
  return members.length > unionMax ? unknown : { type: "Union", shapes: members };
}

/** Null when the two are of different kinds: then they make a union. */
function mergedSame(a: Shape, b: Shape): Shape | null {
  const [objectLike, other] = a.type === "Record" ? [a, b] : [b, a];
  if (objectLike.type === "Record" && (other.type === "Record" || other.type === "Object")) {
    const shapes =
      other.type === "Record" ? [other.valueShape.shape] : other.fields.map(({ shape }) => shape);
    const shape = shapes.reduce<Shape>(merged, objectLike.valueShape.shape);
    return { ...objectLike, valueShape: { optional: false, shape } };
  }
  if (a.type === "Object" && b.type === "Object") return mergedObjects(a.fields, b.fields);
  if (a.type === "Array" && b.type === "Array") return { type: "Array", shape: merged(a.shape, b.shape) };
  if (a.type === "Float64" && b.type === "Float64") return a.float64Range.hasSpecialValues ? a : b;
  if (a.type === "Id" && b.type === "Id") return a.tableName === b.tableName ? a : null;
  if (a.type === "Union" || b.type === "Union") return null;
  return a.type === b.type ? a : null;
}

function mergedObjects(a: readonly FieldShape[], b: readonly FieldShape[]): Shape {
  const fields = new Map(a.map((field) => [field.fieldName, field]));
  const others = new Map(b.map((field) => [field.fieldName, field]));
  for (const [fieldName, field] of others) {
    const own = fields.get(fieldName);
    fields.set(
      fieldName,
      own === undefined
        ? { ...field, optional: true }
        : {
            fieldName,
            optional: own.optional || field.optional,
            shape: merged(own.shape, field.shape),
          },
    );
  }
  for (const [fieldName, field] of fields)
    if (!others.has(fieldName)) fields.set(fieldName, { ...field, optional: true });
  return fromFields([...fields.values()]);
}
