import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkTexts, textFrame, TransitionEncoder, wireBuffers, type Outgoing } from "./frames.ts";
import { shareResult, type SharedResult } from "./results.ts";
import type { QueryChange } from "./sessionState.ts";

/** A reader of unmasked frames, written from RFC 6455 and independent of the writer. */
function readFrames(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    expect(bytes[at]).toBe(0x81);
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    expect(at + length).toBeLessThanOrEqual(bytes.length);
    texts.push(bytes.toString("utf8", at, at + length));
    at += length;
  }
  return texts;
}

const version = (querySet: number, ts = "AQAAAAAAAAA=", identity = 0) => ({ querySet, identity, ts });
const result = (value: unknown, journal: string | null = null): SharedResult =>
  shareResult({ ok: true, valueJson: JSON.stringify(value), logLines: [] }, journal, "", false);
const chunking = { clockSkewMs: 7, supportsChunks: true };

function encode(
  changes: QueryChange[],
  receiver = chunking,
  start = version(1),
  end = version(1, "AgAAAAAAAAA="),
) {
  const out: Outgoing[] = [];
  const encoder = new TransitionEncoder();
  const transition = { type: "transition", start, end, changes } as const;
  const frame = encoder.sharedFrame(transition);
  if (frame) out.push(frame);
  else encoder.encode(transition, receiver, "123000000", out);
  return readFrames(Buffer.concat(wireBuffers(out)));
}

describe("frames", () => {
  it("carry any text, at every length class", () => {
    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) {
      expect(readFrames(textFrame("x".repeat(length)))).toEqual(["x".repeat(length)]);
    }
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), (texts) => {
        expect(readFrames(Buffer.concat(wireBuffers(texts)))).toEqual(texts);
      }),
    );
  });
});

describe("transitions", () => {
  it("name every modification", () => {
    const failed = shareResult(
      { ok: false, error: { message: "Uncaught ConvexError", dataJson: "null" }, logLines: ["[LOG] 1"] },
      "j",
      "0123456789abcdef",
      false,
    );
    const [text] = encode(
      [
        { queryId: 0, result: result(1) },
        { queryId: 1, result: failed },
        { queryId: 2, result: null },
      ],
      chunking,
      version(1),
      version(2, "AgAAAAAAAAA="),
    );
    expect(JSON.parse(text ?? "")).toEqual({
      type: "Transition",
      startVersion: version(1),
      endVersion: version(2, "AgAAAAAAAAA="),
      modifications: [
        { type: "QueryUpdated", queryId: 0, value: 1, logLines: [], journal: null },
        {
          type: "QueryFailed",
          queryId: 1,
          errorMessage: "[Request ID: 0123456789abcdef] Server Error\nUncaught ConvexError\n",
          errorData: null,
          logLines: ["[LOG] 1"],
          journal: "j",
        },
        { type: "QueryRemoved", queryId: 2 },
      ],
      clientClockSkew: 7,
      serverTs: 123000000,
    });
  });

  it("of one small result are one buffer for all sessions with equal versions", () => {
    const encoder = new TransitionEncoder();
    const shared = result("hello");
    const frameFor = (queryId: number, querySet: number) => {
      const ends = { start: version(querySet), end: version(querySet, "AgAAAAAAAAA=") };
      return encoder.sharedFrame({ type: "transition", ...ends, changes: [{ queryId, result: shared }] });
    };
    const first = frameFor(0, 1);
    expect(frameFor(0, 1)).toBe(first);
    expect(frameFor(0, 2)).not.toBe(first);
    expect(frameFor(1, 1)).not.toBe(first);
    expect(frameFor(0, 1)).toBe(first);
    for (let queryId = 2; queryId < 20; queryId++) {
      const frame = frameFor(queryId, 1);
      expect(readFrames(frame as Buffer)[0]).toContain(`"queryId":${queryId},`);
    }
  });

  it("refer to one encoding of a large result", () => {
    const encoder = new TransitionEncoder();
    const large = result("ä".repeat(50_000));
    const buffers = [1, 2].map((clockSkewMs) => {
      const out: Outgoing[] = [];
      const changes = [
        { queryId: clockSkewMs, result: large },
        { queryId: 9, result: result(3) },
      ];
      encoder.encode(
        { type: "transition", start: version(0), end: version(1), changes },
        { ...chunking, clockSkewMs },
        "1",
        out,
      );
      const [text] = readFrames(Buffer.concat(wireBuffers(out)));
      expect(JSON.parse(text ?? "")).toMatchObject({
        modifications: [
          { queryId: clockSkewMs, value: "ä".repeat(50_000) },
          { queryId: 9, value: 3 },
        ],
        clientClockSkew: clockSkewMs,
      });
      return out.find((part) => part.length > 50_000);
    });
    expect(buffers[0]).toBe(buffers[1]);
  });

  it("above 5,000,000 bytes are chunked for clients that know chunks", () => {
    const value = "aé€😀".repeat(700_000);
    const texts = encode([{ queryId: 0, result: result(value) }]);
    const chunks = texts.map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(chunks).toHaveLength(2);
    const whole = chunks.map((chunk) => chunk["chunk"]).join("");
    expect(chunks).toMatchObject(
      [0, 1].map((partNumber) => ({
        type: "TransitionChunk",
        partNumber,
        totalParts: 2,
        transitionId: String(Buffer.byteLength(whole)),
      })),
    );
    for (const { chunk } of chunks) expect(Buffer.byteLength(String(chunk))).toBeLessThanOrEqual(5_000_000);
    expect(JSON.parse(whole)).toMatchObject({ type: "Transition", modifications: [{ value }] });
    const [only, ...rest] = encode([{ queryId: 0, result: result(value) }], {
      ...chunking,
      supportsChunks: false,
    });
    expect(rest).toEqual([]);
    expect(JSON.parse(only ?? "")).toMatchObject({ type: "Transition", modifications: [{ value }] });
  });

  it("are never cut inside a character", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(text, fc.integer({ min: 4, max: 20 }), (whole, bytesMax) => {
        const chunks = chunkTexts(Buffer.from(whole), bytesMax).map(
          (chunk) => JSON.parse(chunk) as { chunk: string },
        );
        expect(chunks.map(({ chunk }) => chunk).join("")).toBe(Buffer.from(whole).toString());
        for (const { chunk } of chunks) expect(Buffer.byteLength(chunk)).toBeLessThanOrEqual(bytesMax);
      }),
    );
  });
});
