import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tokenize } from "./tokenizer.ts";

describe("tokenize (functions.md §16)", () => {
  it.each<[string, string[]]>([
    ["", []],
    ["  \n\t ", []],
    ["...!?", []],
    ["Hello, World!", ["hello", "world"]],
    ["don't o'clock", ["don", "t", "o", "clock"]],
    ["snake_case __init__", ["snake", "case", "init"]],
    ["foo-bar.baz@example.com", ["foo", "bar", "baz", "example", "com"]],
    ["v1.48.0 and 3,14", ["v1", "48", "0", "and", "3", "14"]],
    ["C++ a+b=c", ["c", "a", "b", "c"]],
    ["the the the", ["the", "the", "the"]],
    ["Füße ÉCOLE naïve", ["füße", "école", "naïve"]],
    // A combining accent is no letter, so it splits; the composed character does not.
    ["cafe\u0301s", ["cafe", "s"]],
    ["Привет, МИР", ["привет", "мир"]],
    ["ΟΔΟΣ ΟΔΟΣΗ", ["οδοσ", "οδοση"]],
    ["שלום עולם", ["שלום", "עולם"]],
    ["مرحبا بالعالم ١٢٣", ["مرحبا", "بالعالم", "١٢٣"]],
    ["नमस्ते दुनिया", ["नमस", "ते", "दुनिया"]],
    // No segmentation: what is written without spaces is one token.
    ["日本語のテキスト", ["日本語のテキスト"]],
    ["日本、東京", ["日本", "東京"]],
    ["한국어 텍스트", ["한국어", "텍스트"]],
    ["½ ² Ⅷ ①", ["½", "²", "ⅷ", "①"]],
    ["𝔘nicode 𐐀", ["𝔘nicode", "𐐨"]],
    ["smile😀face", ["smile", "face"]],
    ["a\ud800b \udc00", ["a", "b"]],
    ["İstanbul", ["i\u0307stanbul"]],
    ["x".repeat(31), ["x".repeat(31)]],
    ["x".repeat(32), []],
    [`${"x".repeat(32)} y ${"é".repeat(15)}z`, ["y", `${"é".repeat(15)}z`]],
    // Bytes count, not characters: 16 of two bytes are too many, 10 of three are not.
    ["é".repeat(16), []],
    ["日".repeat(10), ["日".repeat(10)]],
    ["日".repeat(11), []],
    // The length is that before lower-casing: these 15 letters of two bytes become 45 bytes.
    ["İ".repeat(15), ["i\u0307".repeat(15)]],
  ])("%j", (text, tokens) => {
    expect(tokenize(text)).toEqual(tokens);
  });

  it("takes the quick way through ASCII to where the other one leads", () => {
    const ascii = fc.string({ unit: "binary-ascii", maxLength: 200, size: "max" });
    fc.assert(
      fc.property(ascii, (text) => {
        // A word in another script sends the whole text the other way.
        expect([...tokenize(text), "я"]).toEqual(tokenize(`${text} я`));
      }),
    );
  });

  it("gives tokens that are tokens themselves", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 100, size: "max" }), (text) => {
        for (const token of tokenize(text)) {
          expect(token).not.toBe("");
          expect(/[\s.,_'-]/.test(token)).toBe(false);
        }
      }),
    );
  });
});
