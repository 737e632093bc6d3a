import { badRequest, LensletError } from "../base/errors.ts";
import { unreachable } from "../base/assert.ts";
import { display, displayFloat } from "./display.ts";
import { tryDecodeId } from "./id.ts";
import { decodeValue, parseValue, type JsonValue } from "./json.ts";
import { checkIdentifier } from "./names.ts";
import { valuesEqual } from "./order.ts";
import {
  commitTsPlaceholder,
  fieldOf,
  isBytes,
  isValueArray,
  isValueObject,
  setField,
  sortedFieldNames,
  type Value,
  type ValueObject,
} from "./value.ts";

/** A validator in its JSON form (reference values.md §9.1). `parseValidator` sorts the fields of objects by name. */
export type Validator =
  | ScalarValidator
  | LiteralValidator
  | IdValidator
  | ArrayValidator
  | ObjectValidator
  | RecordValidator
  | UnionValidator;

export interface ScalarValidator {
  readonly type: "null" | "number" | "bigint" | "commitTs" | "boolean" | "string" | "bytes" | "any";
}
export interface LiteralValidator {
  readonly type: "literal";
  readonly value: LiteralJson;
}
/** `{$integer}` for an Int64, `{$float}` for special floats. */
export type LiteralJson = string | number | boolean | { readonly [key: string]: JsonValue };
export interface IdValidator {
  readonly type: "id";
  readonly tableName: string;
}
export interface ArrayValidator {
  readonly type: "array";
  readonly value: Validator;
}
export interface ObjectValidator {
  readonly type: "object";
  readonly value: { readonly [name: string]: FieldValidator };
}
export interface RecordValidator {
  readonly type: "record";
  readonly keys: Validator;
  readonly values: FieldValidator;
}
export interface UnionValidator {
  readonly type: "union";
  readonly value: readonly Validator[];
}
export interface FieldValidator {
  readonly fieldType: Validator;
  readonly optional: boolean;
}

/** Names the table behind a table number, in the namespace of the function or document that is checked. */
export interface IdContext {
  /** Virtual tables under their virtual name. Null if there is no such table. */
  tableNameOf(tableNumber: number): { readonly name: string; readonly system: boolean } | null;
}

const validatorNestingMax = 256;
const anyValidator: Validator = { type: "any" };

/** Throws BadRequest: `InvalidRecordType`, or `InvalidValidator` for everything else. */
export function parseValidator(json: unknown): Validator {
  return parse(json, 1);
}

function parse(json: unknown, depth: number): Validator {
  if (depth > validatorNestingMax)
    throw invalid(`Validator is nested more than ${validatorNestingMax} levels deep`);
  const fields = objectOf(json, "a validator");
  switch (fields["type"]) {
    case "null":
    case "number":
    case "bigint":
    case "commitTs":
    case "boolean":
    case "string":
    case "bytes":
    case "any":
      return { type: fields["type"] };
    case "map":
    case "set":
      return anyValidator;
    case "literal":
      return parseLiteral(fields["value"]);
    case "id":
      return { type: "id", tableName: parseIdentifier(fields["tableName"]) };
    case "array":
      return { type: "array", value: parse(fields["value"], depth + 1) };
    case "object":
      return parseObject(fields["value"], depth);
    case "record":
      return parseRecord(fields, depth);
    case "union":
      if (!Array.isArray(fields["value"])) throw invalid("The `value` of a union validator must be an array");
      return { type: "union", value: fields["value"].map((member: unknown) => parse(member, depth + 1)) };
    default:
      throw invalid(`Unknown validator type ${JSON.stringify(fields["type"])}`);
  }
}

function parseLiteral(json: unknown): Validator {
  if (typeof json === "string" || typeof json === "number" || typeof json === "boolean") {
    return { type: "literal", value: json };
  }
  if (json === undefined) throw invalid("A literal validator needs a `value`");
  const value = parseValue(json as JsonValue);
  if (typeof value !== "bigint" && typeof value !== "number") {
    throw invalid(`Value ${display(value)} is not a valid literal.`);
  }
  return { type: "literal", value: json as { [key: string]: JsonValue } };
}

function parseObject(json: unknown, depth: number): Validator {
  const declared = objectOf(json, "the `value` of an object validator");
  const value: { [name: string]: FieldValidator } = {};
  for (const name of sortedFieldNames(declared)) {
    setField(value, parseIdentifier(name), parseField(declared[name], depth));
  }
  return { type: "object", value };
}

function parseRecord(fields: { readonly [key: string]: unknown }, depth: number): Validator {
  const keys = parse(fields["keys"], depth + 1);
  const values = parseField(fields["values"], depth);
  if (!isSubset(keys, { type: "string" })) {
    throw badRequest(
      "InvalidRecordType",
      "Records can only have string keys. Your validator contains a record with key typed as " +
        `\`${renderValidator(keys)}\`, which is not a subtype of \`v.string()\``,
    );
  }
  if (containsLiteral(keys)) throw badRequest("InvalidRecordType", "Records cannot have string literal keys");
  if (values.optional) throw badRequest("InvalidRecordType", "Records cannot have optional values");
  return { type: "record", keys, values };
}

function containsLiteral(keys: Validator): boolean {
  return keys.type === "literal" || (keys.type === "union" && keys.value.some(containsLiteral));
}

function parseField(json: unknown, depth: number): FieldValidator {
  const field = objectOf(json, "a field validator");
  const optional = field["optional"] ?? false;
  if (typeof optional !== "boolean") throw invalid("`optional` of a field validator must be a boolean");
  return { fieldType: parse(field["fieldType"], depth + 1), optional };
}

function parseIdentifier(json: unknown): string {
  if (typeof json !== "string") throw invalid("A name in a validator must be a string");
  const error = checkIdentifier(json);
  if (error !== null) throw invalid(error);
  return json;
}

function objectOf(json: unknown, what: string): { readonly [key: string]: unknown } {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw invalid(`Expected ${what} to be an object, found ${JSON.stringify(json) ?? "undefined"}`);
  }
  return json as { readonly [key: string]: unknown };
}

function invalid(message: string): LensletError {
  return badRequest("InvalidValidator", message);
}

/** What `exportArgs()` returned; null for none. Throws BadRequest with the wrapped text of reference values.md §9.1. */
export function parseArgsValidator(text: string | null): ObjectValidator | ScalarValidator | null {
  const validator = parseExported(text, "args", "do argument validation");
  if (validator === null || validator.type === "object" || validator.type === "any") {
    return validator;
  }
  throw invalid("Args validator must be an object or any");
}

/** What `exportReturns()` returned: JSON text, "null" or null for none. Throws like `parseArgsValidator`. */
export function parseReturnsValidator(text: string | null): Validator | null {
  return parseExported(text, "returns", "do return value validation");
}

function parseExported(text: string | null, what: "args" | "returns", how: string): Validator | null {
  if (text === null) return null;
  try {
    const json: unknown = JSON.parse(text);
    return json === null ? null : parse(json, 1);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof LensletError ? error.code : "InvalidValidator";
    throw badRequest(
      code,
      `Error in ${what} validator: ${message}\n` +
        `See https://docs.convex.dev/functions/validation for docs on how to ${how}.`,
    );
  }
}

/** The source-like form of messages: `v.object({a: v.string()})`. */
export function renderValidator(validator: Validator): string {
  switch (validator.type) {
    case "null":
    case "commitTs":
    case "boolean":
    case "string":
    case "bytes":
    case "any":
      return `v.${validator.type}()`;
    case "number":
      return "v.float64()";
    case "bigint":
      return "v.int64()";
    case "literal":
      return `v.literal(${renderLiteral(literalValue(validator))})`;
    case "id":
      return `v.id("${validator.tableName}")`;
    case "array":
      return `v.array(${renderValidator(validator.value)})`;
    case "record":
      return `v.record(${renderValidator(validator.keys)}, ${renderValidator(validator.values.fieldType)})`;
    case "object": {
      const fields = sortedFieldNames(validator.value).map((name) => {
        const { fieldType, optional } = validator.value[name]!;
        return `${name}: ${optional ? `v.optional(${renderValidator(fieldType)})` : renderValidator(fieldType)}`;
      });
      return `v.object({${fields.join(", ")}})`;
    }
    case "union":
      return `v.union(${validator.value.map(renderValidator).join(", ")})`;
    default:
      return unreachable(validator);
  }
}

function renderLiteral(value: Value): string {
  if (typeof value === "bigint") return "<bigint>";
  if (typeof value === "number") return Number.isFinite(value) ? displayFloat(value) : "<number>";
  return JSON.stringify(value);
}

/** Literals are kept as JSON; only Int64 and special floats need decoding. */
function literalValue(validator: LiteralValidator): Value {
  const { value } = validator;
  return typeof value === "object" ? decodeValue(JSON.stringify(value)) : value;
}

/** Why a value was refused. Texts are made only when asked for, as a union drops the failures of its members. */
interface Failure {
  readonly reason: "noMatch" | "literal" | "missingField" | "extraField" | "otherTable" | "systemTable";
  readonly value: Value;
  readonly validator: Validator;
  /** The field of missingField and extraField, the found table of otherTable. */
  readonly name: string;
  /** Segments, innermost first. */
  readonly path: string[];
}

/**
 * Null if the value satisfies the validator, else the exact text of reference values.md §9.3, without the prefix
 * `ArgumentValidationError: ` and its like.
 */
export function checkValue(validator: Validator, value: Value, ids: IdContext): string | null {
  const failure = check(validator, value, ids);
  return failure === null ? null : explain(failure);
}

/**
 * Positional arguments of a function against its args validator: null, or the whole text of the error. Without a
 * validator, or with `v.any()`, everything is accepted.
 */
export function checkArgs(
  validator: Validator | null,
  args: readonly Value[],
  ids: IdContext,
): string | null {
  if (validator === null || validator.type === "any") return null;
  const prefix = "ArgumentValidationError: ";
  if (args.length !== 1) {
    return (
      `${prefix}Expected to receive a single object as the function's argument. ` +
      `Instead received ${args.length} arguments: ${display(args)}`
    );
  }
  const arg = args[0]!;
  if (!isValueObject(arg)) {
    return `${prefix}Expected to receive an object as the function's argument. Instead received: ${display(arg)}`;
  }
  const error = checkValue(validator, arg, ids);
  return error === null ? null : `${prefix}${error}\n`;
}

/** A function's result against its returns validator: null, or the whole text of the error. */
export function checkReturns(validator: Validator | null, value: Value, ids: IdContext): string | null {
  if (validator === null) return null;
  const error = checkValue(validator, value, ids);
  return error === null ? null : `ReturnsValidationError: ${error}`;
}

function check(validator: Validator, value: Value, ids: IdContext): Failure | null {
  switch (validator.type) {
    case "any":
      return null;
    case "string":
      return typeof value === "string" ? null : noMatch(validator, value);
    case "number":
      return typeof value === "number" ? null : noMatch(validator, value);
    case "boolean":
      return typeof value === "boolean" ? null : noMatch(validator, value);
    case "null":
      return value === null ? null : noMatch(validator, value);
    case "bigint":
    case "commitTs":
      return typeof value === "bigint" || value === commitTsPlaceholder ? null : noMatch(validator, value);
    case "bytes":
      return typeof value === "object" && value !== null && isBytes(value) ? null : noMatch(validator, value);
    case "literal":
      return matchesLiteral(validator, value) ? null : failureOf("literal", validator, value);
    case "id":
      return checkId(validator, value, ids);
    case "array":
      return checkArray(validator, value, ids);
    case "object":
      return isValueObject(value) ? checkObject(validator, value, ids) : noMatch(validator, value);
    case "record":
      return isValueObject(value) ? checkRecord(validator, value, ids) : noMatch(validator, value);
    case "union":
      return checkUnion(validator, value, ids);
    default:
      return unreachable(validator);
  }
}

function matchesLiteral(validator: LiteralValidator, value: Value): boolean {
  const literal = validator.value;
  // A JSON number is never NaN, so Object.is is equality in the total order.
  return typeof literal === "object"
    ? valuesEqual(literalValue(validator), value)
    : Object.is(literal, value);
}

function checkId(validator: IdValidator, value: Value, ids: IdContext): Failure | null {
  if (typeof value !== "string") return noMatch(validator, value);
  const decoded = tryDecodeId(value);
  if (decoded === null) return noMatch(validator, value);
  const table = ids.tableNameOf(decoded.tableNumber);
  if (table === null) return noMatch(validator, value);
  if (table.name === validator.tableName) return null;
  return failureOf(table.system ? "systemTable" : "otherTable", validator, value, table.name);
}

function checkArray(validator: ArrayValidator, value: Value, ids: IdContext): Failure | null {
  if (!isValueArray(value)) return noMatch(validator, value);
  for (let i = 0; i < value.length; i++) {
    const failure = check(validator.value, value[i]!, ids);
    if (failure !== null) return inside(failure, `[${i}]`);
  }
  return null;
}

function checkObject(validator: ObjectValidator, value: ValueObject, ids: IdContext): Failure | null {
  const declared = validator.value;
  let present = 0;
  for (const name in declared) {
    const field = declared[name]!;
    const fieldValue = fieldOf(value, name);
    if (fieldValue === undefined) {
      if (!field.optional) return failureOf("missingField", validator, value, name);
      continue;
    }
    present++;
    const failure = check(field.fieldType, fieldValue, ids);
    if (failure !== null) return inside(failure, `.${name}`);
  }
  if (Object.keys(value).length === present) return null;
  const extra = sortedFieldNames(value).find((name) => !Object.hasOwn(declared, name));
  return extra === undefined ? null : failureOf("extraField", validator, value, extra);
}

function checkRecord(validator: RecordValidator, value: ValueObject, ids: IdContext): Failure | null {
  for (const name of sortedFieldNames(value)) {
    const keyFailure = check(validator.keys, name, ids);
    if (keyFailure !== null) return inside(keyFailure, ".keys()");
    const failure = check(validator.values.fieldType, value[name]!, ids);
    if (failure !== null) return inside(failure, ".values()");
  }
  return null;
}

function checkUnion(validator: UnionValidator, value: Value, ids: IdContext): Failure | null {
  const members = validator.value;
  if (members.length === 1) return check(members[0]!, value, ids);
  for (let i = 0; i < members.length; i++) {
    if (check(members[i]!, value, ids) === null) return null;
  }
  return noMatch(validator, value);
}

function noMatch(validator: Validator, value: Value): Failure {
  return failureOf("noMatch", validator, value);
}

function failureOf(reason: Failure["reason"], validator: Validator, value: Value, name = ""): Failure {
  return { reason, validator, value, name, path: [] };
}

function inside(failure: Failure, segment: string): Failure {
  failure.path.push(segment);
  return failure;
}

function explain({ reason, value, validator, name, path }: Failure): string {
  const context = path.length === 0 ? "" : `Path: ${path.toReversed().join("")}`;
  const rendered = renderValidator(validator);
  switch (reason) {
    case "noMatch":
      return `Value does not match validator.\n${context}\nValue: ${display(value)}\nValidator: ${rendered}`;
    case "literal":
      return `\`${display(value)}\` does not match literal validator \`${rendered}\`.${context}`;
    case "missingField":
      return (
        `Object is missing the required field \`${name}\`. ` +
        "Consider wrapping the field validator in `v.optional(...)` if this is expected.\n" +
        `${context}\nObject: ${display(value)}\nValidator: ${rendered}`
      );
    case "extraField":
      return (
        `Object contains extra field \`${name}\` that is not in the validator.\n` +
        `${context}\nObject: ${display(value)}\nValidator: ${rendered}`
      );
    case "otherTable":
      return (
        `Found ID "${value as string}" from table \`${name}\`, ` +
        `which does not match the table name in validator \`${rendered}\`.${context}`
      );
    case "systemTable":
      return (
        `Found ID "${value as string}" from a system table, ` +
        `which does not match the table name in validator \`${rendered}\`.${context}`
      );
    default:
      return unreachable(reason);
  }
}

/**
 * True only if every value that satisfies `a` satisfies `b` (reference values.md §9.4). False means "not known".
 */
export function isSubset(a: Validator, b: Validator): boolean {
  if (a === b || b.type === "any") return true;
  if (a.type === "union") return a.value.every((member) => isSubset(member, b));
  if (b.type === "union") {
    return b.value.some((member) => isSubset(a, member)) || (a.type === "boolean" && hasBothBooleans(b));
  }
  switch (a.type) {
    case "literal":
      return b.type === "literal"
        ? valuesEqual(literalValue(a), literalValue(b))
        : isSubset({ type: literalBase(a) }, b);
    case "id":
      return b.type === "string" || (b.type === "id" && a.tableName === b.tableName);
    case "bigint":
    case "commitTs":
      return b.type === "bigint" || b.type === "commitTs";
    case "array":
      return b.type === "array" && isSubset(a.value, b.value);
    case "object":
      return b.type === "object" && isObjectSubset(a, b);
    case "record":
      return validatorsEqual(a, b);
    default:
      return a.type === b.type;
  }
}

function hasBothBooleans(union: UnionValidator): boolean {
  return [true, false].every((literal) =>
    union.value.some((member) => member.type === "literal" && member.value === literal),
  );
}

function literalBase(validator: LiteralValidator): "string" | "number" | "boolean" | "bigint" {
  return typeof literalValue(validator) as "string" | "number" | "boolean" | "bigint";
}

function isObjectSubset(a: ObjectValidator, b: ObjectValidator): boolean {
  if (!Object.keys(a.value).every((name) => Object.hasOwn(b.value, name))) return false;
  return Object.keys(b.value).every((name) => {
    const target = b.value[name]!;
    if (!Object.hasOwn(a.value, name)) return target.optional;
    const field = a.value[name]!;
    return (target.optional || !field.optional) && isSubset(field.fieldType, target.fieldType);
  });
}

function validatorsEqual(a: Validator, b: Validator): boolean {
  if (a.type === "record") {
    return (
      b.type === "record" &&
      validatorsEqual(a.keys, b.keys) &&
      validatorsEqual(a.values.fieldType, b.values.fieldType)
    );
  }
  if (a.type === "array") return b.type === "array" && validatorsEqual(a.value, b.value);
  if (a.type === "union") {
    return (
      b.type === "union" &&
      a.value.length === b.value.length &&
      a.value.every((member, i) => validatorsEqual(member, b.value[i]!))
    );
  }
  if (a.type === "object") {
    if (b.type !== "object") return false;
    const names = sortedFieldNames(a.value);
    const otherNames = sortedFieldNames(b.value);
    return (
      names.length === otherNames.length &&
      names.every((name, i) => {
        const field = a.value[name]!;
        const other = b.value[name];
        return (
          name === otherNames[i] &&
          field.optional === other!.optional &&
          validatorsEqual(field.fieldType, other!.fieldType)
        );
      })
    );
  }
  // What is left has no parts.
  return a.type === b.type && isSubset(a, b);
}
