import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { decodeId, encodeId, newInternalId, tryDecodeId } from "./id.ts";

const zeros = "\0".repeat(16);
const counting = String.fromCharCode(...Array(16).keys());

function problemOf(text: string): string {
  expect(tryDecodeId(text)).toBeNull();
  try {
    decodeId(text);
  } catch (error) {
    if (error instanceof LensletError && error.code === "InvalidArgument") return error.message;
    throw error;
  }
  throw new Error("the id was accepted");
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** base32 the slow way, for ids that encodeId refuses to make. */
function base32(bytes: readonly number[]): string {
  const bits = bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? []).map((group) => alphabet[parseInt(group.padEnd(5, "0"), 2)]).join("");
}

function idBytes(vint: readonly number[], checksumOffset = 0): number[] {
  const body = [...vint, ...Array<number>(16).fill(7)];
  let c0 = 0;
  let c1 = 0;
  for (const byte of body) {
    c0 = (c0 + byte) % 256;
    c1 = (c1 + c0) % 256;
  }
  return [...body, (c0 + checksumOffset) % 256, c1];
}

describe("document ids", () => {
  it.each([
    [1, zeros, "0400000000000000000000000000248"],
    [10001, counting, "j57000820c20a1g7104gm2rc1m70ynr8"],
    [2 ** 32 - 1, "\xff".repeat(16), "zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj"],
  ])("vector of table %i", (tableNumber, id, text) => {
    expect(encodeId(tableNumber, id)).toBe(text);
    expect(decodeId(text)).toEqual({ tableNumber, id });
  });

  it.each([
    [127, 31],
    [128, 32],
    [16383, 32],
    [16384, 34],
    [2 ** 21 - 1, 34],
    [2 ** 21, 36],
    [2 ** 28 - 1, 36],
    [2 ** 28, 37],
  ])("table %i has texts of length %i", (tableNumber, length) => {
    expect(encodeId(tableNumber, zeros)).toHaveLength(length);
  });

  it("round-trip, and no other text of the same id is accepted", () => {
    const tableNumber = fc.oneof(
      fc.integer({ min: 1, max: 20000 }),
      fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    );
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(
        tableNumber,
        bytes,
        fc.nat(36),
        fc.constantFrom(...alphabet.split("")),
        (number, raw, at, char) => {
          const id = Buffer.from(raw).toString("latin1");
          const text = encodeId(number, id);
          expect(decodeId(text)).toEqual({ tableNumber: number, id });
          const changed = text.slice(0, at) + char + text.slice(at + 1);
          const decoded = tryDecodeId(changed);
          if (decoded !== null) expect(encodeId(decoded.tableNumber, decoded.id)).toBe(changed);
        },
      ),
    );
  });

  it("tells what is wrong with a text", () => {
    expect(problemOf("abc")).toBe("Unable to decode ID: Invalid ID length 3");
    expect(problemOf("0".repeat(38))).toBe("Unable to decode ID: Invalid ID length 38");
    expect(problemOf("")).toBe("Unable to decode ID: Invalid ID length 0");
    const text = encodeId(10001, counting);
    expect(problemOf(text.toUpperCase())).toBe("Unable to decode ID: ID wasn't valid base32");
    expect(problemOf("é" + text.slice(1))).toBe("Unable to decode ID: ID wasn't valid base32");
    expect(problemOf("u" + text.slice(1))).toBe("Unable to decode ID: ID wasn't valid base32");
    // Left-over characters, at lengths that whole bytes have and do not have.
    expect(problemOf(text + "0")).toBe("Unable to decode ID: Invalid ID length 33");
    expect(problemOf(text + "00")).toBe("Unable to decode ID: Invalid ID length 34");
  });

  it("tells a wrong checksum, with both numbers", () => {
    const bytes = idBytes([5], 1);
    const footer = bytes[17]! | (bytes[18]! << 8);
    expect(problemOf(base32(bytes))).toBe(
      `Unable to decode ID: Invalid ID version ${footer} (expected ${footer - 1})`,
    );
  });

  it("refuses other writings of a table number", () => {
    expect(decodeId(base32(idBytes([5]))).tableNumber).toBe(5);
    expect(problemOf(base32(idBytes([0])))).toBe("Unable to decode ID: Invalid table number");
    expect(problemOf(base32(idBytes([0x80, 0x80, 0x80, 0x80, 0x80])))).toBe(
      "Unable to decode ID: Invalid table number",
    );
    expect(problemOf(base32(idBytes([0xff, 0xff, 0xff, 0xff, 0x10])))).toBe(
      "Unable to decode ID: Invalid table number",
    );
    expect(problemOf(base32(idBytes([0x85, 0x00])))).toBe("Unable to decode ID: Invalid ID length 32");
    // Cut short: two bytes of table number leave 15 bytes of id in a text of 31 characters.
    expect(problemOf(base32(idBytes([0x85, 0x01]).slice(0, 19)))).toBe(
      "Unable to decode ID: Invalid ID length 31",
    );
  });

  it("internal ids made later sort later", () => {
    const random = { bytes: (length: number) => new Uint8Array(length).fill(0xab) };
    const id = newInternalId(random, (0x0102030405ff).valueOf() + 0.9);
    expect(Buffer.from(id, "latin1").toString("hex")).toBe("0102030405ff" + "ab".repeat(10));
    expect(newInternalId(random, 0x010203040600) > id).toBe(true);
  });
});
