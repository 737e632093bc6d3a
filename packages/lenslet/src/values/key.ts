import { assert } from "../base/assert.ts";
import type { InternalId } from "./id.ts";
import { getField } from "./names.ts";
import {
  commitTsPlaceholder,
  isBytes,
  isValueArray,
  sortedFieldNames,
  type Value,
  type ValueObject,
} from "./value.ts";

/**
 * A key of an index: bytes, one per code unit (latin1), so that `<` on keys is the order of the values they encode
 * (reference values.md §5.1). A key is the parts of the indexed fields followed by the 16-byte internal id.
 */
export type IndexKey = string & { readonly __indexKey?: true };

const float = new Float64Array(1);
const int = new BigInt64Array(float.buffer);
const words = new Uint32Array(float.buffer);
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const high = littleEndian ? 1 : 0;
const low = littleEndian ? 0 : 1;

/** Order-preserving encoding of one field; undefined stands for a missing field. */
export function encodeKeyPart(value: Value | undefined): string {
  switch (typeof value) {
    case "string":
      return encodeString(value);
    case "number":
      return encodeFloat(value);
    case "bigint":
      return encodeInt(value);
    case "boolean":
      return value ? "\x0f" : "\x0e";
    case "undefined":
      return "\x01";
    default:
      break;
  }
  if (value === null) return "\x03";
  if (isValueArray(value)) {
    let part = "\x12";
    for (let i = 0; i < value.length; i++) part += encodeKeyPart(value[i]);
    return part + "\0";
  }
  // The placeholder sorts as the greatest Int64, after everything committed.
  if (value === commitTsPlaceholder) return "\x0c\x7f\xff\xff\xff\xff\xff\xff\xff";
  if (isBytes(value)) return "\x11" + escapeZeros(Buffer.from(value).toString("latin1")) + "\0";
  return encodeObject(value as ValueObject);
}

/** Key of a document in an index over `fields`; with no fields (by_id) the id alone. */
export function indexKeyOf(
  document: ValueObject,
  fields: readonly (readonly string[])[],
  id: InternalId,
): IndexKey {
  let key = "";
  for (let i = 0; i < fields.length; i++) key += encodeKeyPart(getField(document, fields[i]!));
  return key + id;
}

/**
 * The exclusive end of all keys that begin with the given complete parts, as long as another part follows them (every
 * index but by_id ends its fields with `_creationTime`), or with a complete key. Null for the empty prefix.
 *
 * It is not the last byte plus one: the encoding of "a\0b" starts with the bytes of the encoding of "a", and differs
 * by the 0xff that follows. No part begins with 0xff, so that byte is the boundary; an id may, so after all the parts
 * of an index the boundary is another one.
 */
export function prefixEnd(prefix: IndexKey): IndexKey | null {
  return prefix === "" ? null : prefix + "\xff";
}

export function keyToBytes(key: IndexKey): Uint8Array {
  return Buffer.from(key, "latin1");
}

export function bytesToKey(bytes: Uint8Array): IndexKey {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function encodeString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0 || c > 0x7f) return "\x10" + escapeZeros(Buffer.from(text).toString("latin1")) + "\0";
  }
  return "\x10" + text + "\0";
}

function escapeZeros(bytes: string): string {
  return bytes.includes("\0") ? bytes.replaceAll("\0", "\0\xff") : bytes;
}

function encodeFloat(value: number): string {
  float[0] = value;
  const negative = words[high]! >= 0x80000000;
  const x = negative ? ~words[high]! : words[high]! ^ 0x80000000;
  const y = negative ? ~words[low]! : words[low]!;
  return String.fromCharCode(
    0x0d,
    x >>> 24,
    (x >>> 16) & 0xff,
    (x >>> 8) & 0xff,
    x & 0xff,
    y >>> 24,
    (y >>> 16) & 0xff,
    (y >>> 8) & 0xff,
    y & 0xff,
  );
}

/** The tag tells sign and width, so that wider negatives come first and wider positives last. */
function encodeInt(value: bigint): string {
  if (value === 0n) return "\x08";
  int[0] = value;
  const x = words[high]!;
  const y = words[low]!;
  if (value >= -0x80000000n && value <= 0x7fffffffn) {
    const small = y | 0;
    if (small >= -0x80 && small <= 0x7f) return String.fromCharCode(small < 0 ? 0x07 : 0x09, y & 0xff);
    if (small >= -0x8000 && small <= 0x7fff) {
      return String.fromCharCode(small < 0 ? 0x06 : 0x0a, (y >>> 8) & 0xff, y & 0xff);
    }
    return String.fromCharCode(
      small < 0 ? 0x05 : 0x0b,
      y >>> 24,
      (y >>> 16) & 0xff,
      (y >>> 8) & 0xff,
      y & 0xff,
    );
  }
  return String.fromCharCode(
    value < 0n ? 0x04 : 0x0c,
    x >>> 24,
    (x >>> 16) & 0xff,
    (x >>> 8) & 0xff,
    x & 0xff,
    y >>> 24,
    (y >>> 16) & 0xff,
    (y >>> 8) & 0xff,
    y & 0xff,
  );
}

function encodeObject(object: ValueObject): string {
  let part = "\x15";
  for (const name of sortedFieldNames(object)) {
    const value = object[name];
    assert(value !== undefined, "object fields hold values");
    part += (name === "" ? "\0\xff" : name + "\0") + encodeKeyPart(value);
  }
  return part + "\0";
}
