import { hash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { badRequest } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { utf8Length } from "./utf8.ts";

/** The part of a document's id that is unique in its table: 16 bytes as a binary string (one byte per code unit). */
export type InternalId = string & { readonly __internalId?: true };

export interface DecodedId {
  readonly tableNumber: number;
  readonly id: InternalId;
}

const internalIdBytes = 16;
const footerBytes = 2;
const idTextLengthMin = 31;
const idTextLengthMax = 37;
const tableNumberMax = 2 ** 32 - 1;

/** Texts up to here are 16 bytes in base64, longer ones 17 bytes in base 62: the forms of ids before this one. */
const bareIdLengthMax = 22;
const oldIdBytes = 17;
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Digits of 17 bytes. */
const base62LengthMax = 23;

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
/** Text of each ten bits. */
const digitPairs: string[] = Array.from({ length: 1024 }, (_, i) => alphabet[i >> 5]! + alphabet[i & 31]!);
/** Character code → five bits, 0xff where there is none. */
const digitOf = new Uint8Array(128).fill(0xff);
for (let i = 0; i < 32; i++) digitOf[alphabet.charCodeAt(i)] = i;

// 5 bytes of table number, 16 of internal id, 2 of checksum.
const scratch = new Uint8Array(24);

/** The text users see (reference values.md §6.1): base32 of table number, internal id and checksum. */
export function encodeId(tableNumber: number, id: InternalId): string {
  assert(
    Number.isInteger(tableNumber) && tableNumber > 0 && tableNumber <= tableNumberMax,
    "a table number is a positive 32-bit integer",
  );
  assert(id.length === internalIdBytes, "an internal id has 16 bytes");
  let length = 0;
  let rest = tableNumber;
  while (rest > 0x7f) {
    scratch[length++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  scratch[length++] = rest;
  for (let i = 0; i < internalIdBytes; i++) scratch[length++] = id.charCodeAt(i);
  const checksum = fletcher16(length);
  scratch[length++] = checksum & 0xff;
  scratch[length++] = checksum >> 8;
  return encodeScratch(length);
}

/** Throws BadRequest `InvalidArgument` with a text of reference values.md §6.3. */
export function decodeId(text: string): DecodedId {
  const decoded = parseId(text);
  if (typeof decoded === "string") throw badRequest("InvalidArgument", `Unable to decode ID: ${decoded}`);
  return decoded;
}

/** Null for anything that is not the canonical text of an id. */
export function tryDecodeId(text: string): DecodedId | null {
  const decoded = parseId(text);
  return typeof decoded === "string" ? null : decoded;
}

/**
 * The internal id in a text of one of the two forms that ids had before (reference values.md §6.4); they do not say of
 * which table. Null for anything else.
 */
export function legacyInternalId(text: string): InternalId | null {
  if (text.length <= bareIdLengthMax) {
    const bytes = Buffer.from(text, "base64url");
    const isCanonical = bytes.toString("base64url") === text.replace(/=+$/, "");
    return isCanonical && bytes.length === internalIdBytes ? internalIdOf(bytes) : null;
  }
  const bytes = base62Bytes(text, oldIdBytes);
  if (bytes === null) return null;
  const digest = hash("sha256", bytes.subarray(0, oldIdBytes - 2), "buffer");
  return internalIdOf(
    Buffer.concat([digest.subarray(0, internalIdBytes - 2), bytes.subarray(oldIdBytes - 2)]),
  );
}

function internalIdOf(bytes: Buffer): InternalId {
  return bytes.toString("latin1");
}

/** A number in base 62 as so many bytes, big-endian; null when it is none or does not fit. */
function base62Bytes(text: string, length: number): Buffer | null {
  if (text.length > base62LengthMax) return null;
  let number = 0n;
  for (const character of text) {
    const digit = base62.indexOf(character);
    if (digit === -1) return null;
    number = number * 62n + BigInt(digit);
  }
  const hex = number.toString(16).padStart(length * 2, "0");
  return hex.length === length * 2 ? Buffer.from(hex, "hex") : null;
}

/** 48 bits of milliseconds, then 80 random bits: ids made later sort later, so inserts append to the B-trees. */
export function newInternalId(random: Random, nowMs: number): InternalId {
  const ms = Math.max(0, Math.floor(nowMs));
  const highWord = Math.floor(ms / 2 ** 32);
  const lowWord = ms >>> 0;
  const r = random.bytes(10);
  return String.fromCharCode(
    (highWord >>> 8) & 0xff,
    highWord & 0xff,
    lowWord >>> 24,
    (lowWord >>> 16) & 0xff,
    (lowWord >>> 8) & 0xff,
    lowWord & 0xff,
    r[0]!,
    r[1]!,
    r[2]!,
    r[3]!,
    r[4]!,
    r[5]!,
    r[6]!,
    r[7]!,
    r[8]!,
    r[9]!,
  );
}

/** The decoded id, or what is wrong with the text. */
function parseId(text: string): DecodedId | string {
  const textLength = utf8Length(text);
  if (textLength < idTextLengthMin || textLength > idTextLengthMax) return invalidLength(textLength);
  let length = 0;
  let bits = 0;
  let bitCount = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const digit = c < 128 ? digitOf[c]! : 0xff;
    if (digit === 0xff) return "ID wasn't valid base32";
    bits = ((bits << 5) | digit) & 0xfff;
    bitCount += 5;
    if (bitCount >= 8) {
      bitCount -= 8;
      scratch[length++] = (bits >> bitCount) & 0xff;
    }
  }
  // A spare digit or spare bits that are not zero make the text non-canonical; told after the other checks.
  const paddingIsCanonical = bitCount < 5 && (bits & ((1 << bitCount) - 1)) === 0;

  let position = 0;
  let tableNumber = 0;
  let scale = 1;
  for (;;) {
    const byte = scratch[position++]!;
    tableNumber += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
    if (position === 5) return "Invalid table number";
    scale *= 128;
  }
  if (tableNumber === 0 || tableNumber > tableNumberMax) return "Invalid table number";
  const vintIsCanonical = position === 1 || scratch[position - 1] !== 0;

  const idEnd = position + internalIdBytes;
  if (idEnd + footerBytes > length) return invalidLength(textLength);
  const footer = scratch[idEnd]! | (scratch[idEnd + 1]! << 8);
  const computed = fletcher16(idEnd);
  if (footer !== computed) return `Invalid ID version ${footer} (expected ${computed})`;
  if (idEnd + footerBytes !== length || !paddingIsCanonical || !vintIsCanonical) {
    return invalidLength(textLength);
  }
  return { tableNumber, id: internalIdAt(position) };
}

function invalidLength(textLength: number): string {
  return `Invalid ID length ${textLength}`;
}

/** Fletcher-16 with modulus 256 of the first `length` scratch bytes. */
function fletcher16(length: number): number {
  let c0 = 0;
  let c1 = 0;
  for (let i = 0; i < length; i++) {
    c0 = (c0 + scratch[i]!) & 0xff;
    c1 = (c1 + c0) & 0xff;
  }
  return (c1 << 8) | c0;
}

function encodeScratch(length: number): string {
  let text = "";
  let bits = 0;
  let bitCount = 0;
  for (let i = 0; i < length; i++) {
    bits = (bits << 8) | scratch[i]!;
    bitCount += 8;
    if (bitCount >= 10) {
      bitCount -= 10;
      text += digitPairs[bits >> bitCount]!;
      bits &= (1 << bitCount) - 1;
    }
  }
  if (bitCount === 0) return text;
  // A last partial group is padded with zero bits to whole digits.
  const last = digitPairs[bits << (10 - bitCount)]!;
  return text + (bitCount > 5 ? last : last[0]!);
}

function internalIdAt(start: number): InternalId {
  const b = scratch;
  return String.fromCharCode(
    b[start]!,
    b[start + 1]!,
    b[start + 2]!,
    b[start + 3]!,
    b[start + 4]!,
    b[start + 5]!,
    b[start + 6]!,
    b[start + 7]!,
    b[start + 8]!,
    b[start + 9]!,
    b[start + 10]!,
    b[start + 11]!,
    b[start + 12]!,
    b[start + 13]!,
    b[start + 14]!,
    b[start + 15]!,
  );
}
