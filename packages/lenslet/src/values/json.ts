import { badRequest, type LensletError } from "../base/errors.ts";
import { checkFieldName } from "./names.ts";
import {
  arrayElementsMax,
  formatBinarySize,
  objectFieldsMax,
  valueBytesMax,
  valueNestingMax,
} from "./size.ts";
import {
  commitTsPlaceholder,
  isBytes,
  isValueArray,
  setField,
  sortedFieldNames,
  type Value,
  type ValueObject,
} from "./value.ts";
import { utf8Length } from "./utf8.ts";

/** What `JSON.parse` returns. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

export interface ParseOptions {
  /** Accept `{"$commitTs": null}`: only where a mutation's transaction exists (reference values.md §1.1). */
  readonly commitTs?: boolean;
}

// The state of one parseValue call. Parsing calls no foreign code, so calls cannot interleave.
let parsedBytes = 0;
let commitTsAllowed = false;

/**
 * Convex-encoded JSON of an untrusted source → value, with all rules of reference values.md §1.1, §3 and §4.
 * Throws BadRequest: the codes of §3 for limits, `InvalidConvexValue` for everything else.
 */
export function parseValue(json: JsonValue, options?: ParseOptions): Value {
  parsedBytes = 0;
  commitTsAllowed = options?.commitTs ?? false;
  return parse(json, 1);
}

/** Like `parseValue`, and `{"$undefined": null}` at the top is undefined. */
export function parseValueOrUndefined(json: JsonValue, options?: ParseOptions): Value | undefined {
  if (typeof json === "object" && json !== null && !Array.isArray(json) && json["$undefined"] === null) {
    if (Object.keys(json).length === 1) return undefined;
  }
  return parseValue(json, options);
}

/** `depth` is the nesting a container here would have. Sizes are counted and limits told innermost first. */
function parse(json: JsonValue, depth: number): Value {
  switch (typeof json) {
    case "string": {
      const bytes = utf8Length(json);
      // Text without non-ASCII characters is always well-formed.
      if (bytes !== json.length && !json.isWellFormed()) {
        throw invalidValue("Strings must be valid Unicode, without unpaired surrogates");
      }
      countBytes(2 + bytes);
      return json;
    }
    case "number":
      countBytes(9);
      return json;
    case "boolean":
      countBytes(1);
      return json;
    default:
      break;
  }
  if (json === null) {
    countBytes(1);
    return null;
  }
  return Array.isArray(json) ? parseArray(json, depth) : parseObject(json, depth);
}

function parseArray(json: JsonValue[], depth: number): Value {
  checkNesting(depth);
  const start = parsedBytes;
  parsedBytes += 2;
  const elements: Value[] = [];
  for (let i = 0; i < json.length; i++) elements.push(parse(json[i]!, depth + 1));
  if (elements.length > arrayElementsMax) {
    throw badRequest(
      "ArrayTooLong",
      `Array length is too long (${elements.length} > maximum length ${arrayElementsMax})`,
    );
  }
  checkBytes(parsedBytes - start);
  return elements;
}

function parseObject(json: { [key: string]: JsonValue }, depth: number): Value {
  const names = Object.keys(json);
  if (names.length === 1 && names[0]!.charCodeAt(0) === 0x24) {
    const special = parseSpecial(names[0]!, json[names[0]!]!);
    if (special !== undefined) return special;
  }
  checkNesting(depth);
  const start = parsedBytes;
  parsedBytes += 2;
  const object: { [field: string]: Value } = {};
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const error = checkFieldName(name);
    if (error !== null) throw invalidValue(error);
    parsedBytes += name.length + 1;
    setField(object, name, parse(json[name]!, depth + 1));
  }
  checkFieldCount(names.length);
  checkBytes(parsedBytes - start);
  return object;
}

/** The value of a one-key `$` object; undefined if the key is none of ours (then it is an illegal field name). */
function parseSpecial(key: string, payload: JsonValue): Value | undefined {
  switch (key) {
    case "$integer":
      parseEightBytes(payload, key, "Int64");
      countBytes(9);
      return eight.getBigInt64(0, true);
    case "$float": {
      parseEightBytes(payload, key, "Float64");
      countBytes(9);
      const value = eight.getFloat64(0, true);
      // +0 is tolerated, as the reference server does.
      if (Number.isFinite(value) && value !== 0) {
        throw invalidValue(`Float64 ${value} should be encoded as a number`);
      }
      return value;
    }
    case "$bytes": {
      const bytes = parseBase64(payload, key);
      countBytes(2 + bytes.byteLength);
      return bytes;
    }
    case "$commitTs":
      if (!commitTsAllowed) return undefined;
      if (payload !== null) throw invalidValue("$commitTs value must be null");
      countBytes(9);
      return commitTsPlaceholder;
    default:
      return undefined;
  }
}

function parseEightBytes(payload: JsonValue, key: string, typeName: string): void {
  const bytes = parseBase64(payload, key);
  if (bytes.byteLength !== 8) throw invalidValue(`${typeName} must be exactly eight bytes`);
  eightBytes.set(new Uint8Array(bytes));
}

function parseBase64(payload: JsonValue, key: string): ArrayBuffer {
  if (typeof payload !== "string") throw invalidValue(`${key} value must be a string`);
  const bytes = Buffer.from(payload, "base64");
  // Node's decoder skips what it does not know; only canonical base64 survives the way back.
  if (bytes.toString("base64") !== payload) throw invalidValue(`${key} value must be valid base64`);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

function countBytes(bytes: number): void {
  parsedBytes += bytes;
  checkBytes(bytes);
}

function checkBytes(bytes: number): void {
  if (bytes > valueBytesMax) throw valueTooLarge(bytes, valueBytesMax);
}

/** The error of reference values.md §3 for a value or document over its size limit. */
export function valueTooLarge(bytes: number, bytesMax: number): LensletError {
  return badRequest(
    "ValueTooLargeError",
    `Value is too large (${formatBinarySize(bytes)} > maximum size ${formatBinarySize(bytesMax)})`,
  );
}

/** Throws TooManyFieldsError. */
export function checkFieldCount(count: number): void {
  if (count <= objectFieldsMax) return;
  throw badRequest(
    "TooManyFieldsError",
    `Object has too many fields (${count} > maximum number ${objectFieldsMax})`,
  );
}

function checkNesting(depth: number): void {
  if (depth > valueNestingMax) {
    throw badRequest(
      "TooNestedError",
      `Value is too nested (nested ${depth} levels deep > maximum nesting ${valueNestingMax})`,
    );
  }
}

function invalidValue(message: string): LensletError {
  return badRequest("InvalidConvexValue", message);
}

const eightBytes = Buffer.alloc(8);
const eight = new DataView(eightBytes.buffer, eightBytes.byteOffset, 8);

/** Text of `stringifyValue` (or any trusted compact encoded JSON) → value, without checks and limits. */
export function decodeValue(text: string): Value {
  const json = JSON.parse(text) as JsonValue;
  // Only a `$` key needs work, and none can hide: keys are never written with escapes. The search for one character
  // is several times faster than for two and usually settles it.
  return text.includes("$") && text.includes('"$') ? decodeSpecials(json) : json;
}

/** Replaces `$` objects inside freshly parsed JSON, in place. */
function decodeSpecials(json: JsonValue): Value {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) {
    const elements = json as Value[];
    for (let i = 0; i < json.length; i++) {
      const element = json[i]!;
      if (typeof element === "object" && element !== null) elements[i] = decodeSpecials(element);
    }
    return elements;
  }
  const names = Object.keys(json);
  if (names.length === 1 && names[0]!.charCodeAt(0) === 0x24) {
    const payload = json[names[0]!] as string;
    switch (names[0]) {
      case "$integer":
        eightBytes.write(payload, "base64");
        return eight.getBigInt64(0, true);
      case "$float":
        eightBytes.write(payload, "base64");
        return eight.getFloat64(0, true);
      case "$bytes": {
        const bytes = Buffer.from(payload, "base64");
        return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      }
      case "$commitTs":
        return commitTsPlaceholder;
      default:
        break;
    }
  }
  const object = json as { [field: string]: Value };
  for (let i = 0; i < names.length; i++) {
    const value = json[names[i]!]!;
    if (typeof value === "object" && value !== null) setField(object, names[i]!, decodeSpecials(value));
  }
  return object;
}

/** Convex-encoded JSON with sorted keys. */
export function encodeValue(value: Value): JsonValue {
  switch (typeof value) {
    case "bigint":
      return { $integer: int64Base64(value) };
    case "number":
      return isPlainNumber(value) ? value : { $float: float64Base64(value) };
    case "string":
    case "boolean":
      return value;
    default:
      break;
  }
  if (value === null) return null;
  if (isValueArray(value)) {
    const elements: JsonValue[] = [];
    for (let i = 0; i < value.length; i++) elements.push(encodeValue(value[i]!));
    return elements;
  }
  if (value === commitTsPlaceholder) return { $commitTs: null };
  if (isBytes(value)) return { $bytes: bytesBase64(value) };
  const json: { [key: string]: JsonValue } = {};
  for (const name of sortedFieldNames(value)) {
    setField(json, name, encodeValue((value as ValueObject)[name]!));
  }
  return json;
}

/** Canonical Convex-encoded JSON text: sorted keys, no spaces. Equal values have equal texts. */
export function stringifyValue(value: Value): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return isPlainNumber(value) ? `${value}` : `{"$float":"${float64Base64(value)}"}`;
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return `{"$integer":"${int64Base64(value)}"}`;
    default:
      break;
  }
  if (value === null) return "null";
  if (isValueArray(value)) return writeArray(value, stringifyValue);
  if (value === commitTsPlaceholder) return '{"$commitTs":null}';
  if (isBytes(value)) return `{"$bytes":"${bytesBase64(value)}"}`;
  return writeObject(value as ValueObject, stringifyValue);
}

/** Format "json" of the HTTP API: Int64 and bytes as strings, non-finite floats by name. */
export function formatCleanJson(value: Value): string {
  switch (typeof value) {
    case "bigint":
      return `"${value}"`;
    case "number":
      if (Object.is(value, -0)) return "-0.0";
      return Number.isFinite(value) ? `${value}` : `"${value}"`;
    default:
      break;
  }
  if (isValueArray(value)) return writeArray(value, formatCleanJson);
  if (typeof value !== "object" || value === null || value === commitTsPlaceholder)
    return stringifyValue(value);
  if (isBytes(value)) return `"${bytesBase64(value)}"`;
  return writeObject(value as ValueObject, formatCleanJson);
}

/** Format "export_json": Int64 as a bare integer, floats always with a decimal point. */
export function formatExportJson(value: Value): string {
  switch (typeof value) {
    case "bigint":
      return `${value}`;
    case "number":
      return Number.isFinite(value) ? formatFloatWithPoint(value) : stringifyValue(value);
    default:
      break;
  }
  if (isValueArray(value)) return writeArray(value, formatExportJson);
  if (typeof value !== "object" || value === null || value === commitTsPlaceholder || isBytes(value)) {
    return stringifyValue(value);
  }
  return writeObject(value as ValueObject, formatExportJson);
}

export function containsCommitTs(value: Value): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isValueArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (containsCommitTs(value[i]!)) return true;
    }
    return false;
  }
  if (value === commitTsPlaceholder) return true;
  if (isBytes(value)) return false;
  for (const name of Object.keys(value)) {
    if (containsCommitTs((value as ValueObject)[name]!)) return true;
  }
  return false;
}

/** The value with every placeholder replaced by `ts`; the same object if it has none. */
export function resolveCommitTs(value: Value, ts: bigint): Value {
  return containsCommitTs(value) ? resolve(value, ts) : value;
}

function resolve(value: Value, ts: bigint): Value {
  if (typeof value !== "object" || value === null) return value;
  if (isValueArray(value)) {
    const elements: Value[] = [];
    for (let i = 0; i < value.length; i++) elements.push(resolve(value[i]!, ts));
    return elements;
  }
  if (value === commitTsPlaceholder) return ts;
  if (isBytes(value)) return value;
  const object: { [field: string]: Value } = {};
  for (const name of Object.keys(value)) setField(object, name, resolve((value as ValueObject)[name]!, ts));
  return object;
}

// Arrays of another realm may have patched methods, so no method of a value is ever called.
function writeArray(elements: readonly Value[], write: (value: Value) => string): string {
  if (elements.length === 0) return "[]";
  let text = "[" + write(elements[0]!);
  for (let i = 1; i < elements.length; i++) text += "," + write(elements[i]!);
  return text + "]";
}

function writeObject(object: ValueObject, write: (value: Value) => string): string {
  const names = sortedFieldNames(object);
  if (names.length === 0) return "{}";
  let text = "{";
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    text += (i === 0 ? "" : ",") + quoteName(name) + write(object[name]!);
  }
  return text + "}";
}

/** Printable ASCII without the double quote and the backslash. */
const needsNoEscape = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quote(text: string): string {
  // For plain text the test is half the price of the native call.
  return needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text);
}

const quotedNamesMax = 10_000;
const quotedNames = new Map<string, string>();

/** `"name":`, remembered, since the names of a deployment are few and each is written very often. */
function quoteName(name: string): string {
  let quoted = quotedNames.get(name);
  if (quoted === undefined) {
    quoted = quote(name) + ":";
    if (name.length <= 64 && quotedNames.size < quotedNamesMax) quotedNames.set(name, quoted);
  }
  return quoted;
}

function isPlainNumber(value: number): boolean {
  return Number.isFinite(value) && (value !== 0 || !Object.is(value, -0));
}

function formatFloatWithPoint(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = `${value}`.replace("e+", "e");
  if (text.includes(".")) return text;
  const exponent = text.indexOf("e");
  return exponent < 0 ? text + ".0" : `${text.slice(0, exponent)}.0${text.slice(exponent)}`;
}

function int64Base64(value: bigint): string {
  eight.setBigInt64(0, value, true);
  return eightBytes.toString("base64");
}

function float64Base64(value: number): string {
  eight.setFloat64(0, value, true);
  return eightBytes.toString("base64");
}

function bytesBase64(value: ArrayBuffer): string {
  return Buffer.from(value).toString("base64");
}
