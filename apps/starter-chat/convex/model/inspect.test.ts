import { describe, expect, it } from "vitest";
import { allowedFileTypes } from "./files.ts";
import { inspectFile } from "./inspect.ts";

/** The bytes of a text whose characters are bytes. */
const bytes = (...parts: (string | number[])[]) =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === "string" ? Array.from(part, (c) => c.charCodeAt(0)) : part)),
  );
const u32le = (n: number) => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >> 24];
const u32be = (n: number) => u32le(n).toReversed();
const u16be = (n: number) => [n >> 8, n & 255];
const size = (width: number, height: number) => ({ dimensions: { width, height } });

describe("what a file is", () => {
  it.each([
    ["image/png", bytes("\x89PNG\r\n\x1a\n", u32be(13), "IHDR", u32be(640), u32be(480)), size(640, 480)],
    ["image/gif", bytes("GIF89a", [0x40, 1, 0xf0, 0]), size(320, 240)],
    [
      "image/jpeg",
      bytes("\xff\xd8\xff\xe0", u16be(4), [0, 0], "\xff\xc0", u16be(11), [8], u16be(100), u16be(200), [1, 1]),
      size(200, 100),
    ],
    ["image/jpeg", bytes("\xff\xd8\xff\xe0", u16be(2)), {}],
    [
      "image/webp",
      bytes("RIFF", u32le(30), "WEBPVP8X", u32le(10), [0, 0, 0, 0], [99, 0, 0, 49, 0, 0]),
      size(100, 50),
    ],
    [
      "image/webp",
      bytes("RIFF", u32le(30), "WEBPVP8 ", u32le(10), [0, 0, 0, 0x9d, 1, 0x2a], [64, 0, 32, 0]),
      size(64, 32),
    ],
    [
      "image/webp",
      bytes("RIFF", u32le(30), "WEBPVP8L", u32le(10), [0x2f], u32le(9 | (4 << 14)), [0, 0, 0, 0, 0]),
      size(10, 5),
    ],
    ["image/webp", bytes("RIFF", u32le(4), "WEBP"), {}],
    ["image/avif", bytes(u32be(28), "ftypavif"), {}],
    ["application/pdf", bytes("%PDF-1.7 /Type /Pages /Type /Page /Type/Page>"), { pages: 2 }],
    ["application/pdf", bytes("%PDF-1.7 compressed"), {}],
    ["text/plain", bytes("\xc3\xa9t\xc3\xa9"), { encoding: "utf-8" }],
    ["text/plain", bytes("\xe9t\xe9"), { encoding: "unknown" }],
    ["application/json", bytes("{}"), { encoding: "utf-8" }],
    ["application/zip", bytes("PK\x03\x04"), {}],
    ["audio/mpeg", bytes("ID3"), {}],
    ["audio/mpeg", bytes([0xff, 0xfb]), {}],
    ["audio/ogg", bytes("OggS"), {}],
    [
      "audio/wav",
      bytes("RIFF", u32le(60), "WAVEfmt ", u32le(16), [1, 0, 1, 0], u32le(8000), u32le(16_000), [2, 0, 16, 0])
        .toString()
        .split(",")
        .map(Number),
      {},
    ],
    ["video/mp4", bytes(u32be(24), "ftypisom"), {}],
    ["video/webm", bytes("\x1a\x45\xdf\xa3"), {}],
  ])("%s %#", (type, content, metadata) => {
    expect(inspectFile(Uint8Array.from(content), type)).toEqual(metadata);
  });

  it("a sound's length", () => {
    const wav = bytes(
      "RIFF",
      u32le(60),
      "WAVEfmt ",
      u32le(16),
      [1, 0, 1, 0],
      u32le(8000),
      u32le(16_000),
      [2, 0, 16, 0],
      "data",
      u32le(24_000),
    );
    expect(inspectFile(wav, "audio/wav")).toEqual({ duration: 1.5 });
    expect(inspectFile(bytes("RIFF", u32le(4), "WAVEdata", u32le(4)), "audio/wav")).toEqual({});
  });

  it("no type that may be attached takes what is something else, or nothing", () => {
    for (const type of allowedFileTypes) {
      expect([type, inspectFile(bytes("\x00\x01 neither this nor that"), type)]).toEqual([type, null]);
      if (!/^text|json/.test(type)) expect([type, inspectFile(bytes(), type)]).toEqual([type, null]);
    }
    expect(inspectFile(bytes("<html>"), "text/html")).toBeNull();
  });
});
