import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CursorCodec, Hmac, type Position, queryFingerprint } from "./cursor.ts";

const codec = new CursorCodec(Buffer.alloc(32, 1));
const fingerprint = queryFingerprint("query");
const positions: Position[] = [
  { kind: "end" },
  { kind: "after", key: "" },
  { kind: "after", key: "\0\x10abc\xff" },
];

describe("CursorCodec", () => {
  it("reads what it wrote, and writes the same text for the same position", () => {
    for (const position of positions) {
      const text = codec.encode({ position, fingerprint });
      expect(codec.parse(text)).toEqual({ position, fingerprint });
      expect(codec.encode({ position, fingerprint })).toBe(text);
    }
    expect(new Set(positions.map((position) => codec.encode({ position, fingerprint }))).size).toBe(3);
  });

  it("does not show the key", () => {
    const key = "secret value of a field";
    const bytes = Buffer.from(codec.encode({ position: { kind: "after", key }, fingerprint }), "base64url");
    expect(bytes.toString("latin1")).not.toContain("secret");
  });

  it("refuses everything else", () => {
    const text = codec.encode({ position: positions[2]!, fingerprint });
    const altered = Array.from(
      text,
      (char, i) => text.slice(0, i) + (char === "A" ? "B" : "A") + text.slice(i + 1),
    );
    const foreign = new CursorCodec(Buffer.alloc(32, 2)).encode({ position: positions[2]!, fingerprint });
    for (const bad of ["", "x", "not base64!", text.slice(0, -4), `${text}AAAA`, foreign, ...altered]) {
      expect(() => codec.parse(bad)).toThrowError(
        expect.objectContaining({ code: "InvalidCursor", message: "Failed to parse cursor" }),
      );
    }
  });
});

describe("Hmac", () => {
  it("is HMAC-SHA-256", () => {
    for (const length of [0, 1, 31, 32, 55, 64, 200]) {
      const message = Buffer.alloc(length, 3);
      const key = Buffer.alloc(32, 9);
      expect(new Hmac(key).of(message)).toEqual(createHmac("sha256", key).update(message).digest());
    }
  });
});
