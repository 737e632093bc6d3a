import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinFences, splitFences, type TextOrCode } from "../src/fences.ts";

describe("splitting what was typed into text and code", () => {
  it("leaves plain text alone", () => {
    expect(splitFences("Hello\n  world")).toEqual([{ type: "text", text: "Hello\n  world" }]);
    expect(splitFences(" \n ")).toEqual([]);
  });

  it("takes language and file name from the fence", () => {
    expect(splitFences("Look:\n```ts src/a.ts\nconst x = 1;\n\n  y();\n```\nGood?")).toEqual([
      { type: "text", text: "Look:" },
      { type: "code", language: "ts", filename: "src/a.ts", code: "const x = 1;\n\n  y();" },
      { type: "text", text: "Good?" },
    ]);
  });

  it("reads a fence that is not closed to the end, and Windows line ends", () => {
    expect(splitFences("```\r\na\r\nb")).toEqual([{ type: "code", language: "", code: "a\nb" }]);
  });

  it("does not take inline code for a fence", () => {
    expect(splitFences("use `x` and ```y``` here")).toEqual([
      { type: "text", text: "use `x` and ```y``` here" },
    ]);
  });

  it("keeps shorter fences inside longer ones", () => {
    expect(splitFences("````md\n```js\n1\n```\n````")).toEqual([
      { type: "code", language: "md", code: "```js\n1\n```" },
    ]);
  });

  it("is undone by joining", () => {
    const line = fc.stringMatching(/^[a-z `{}=;]{0,12}$/);
    const code = fc.record({
      type: fc.constant("code" as const),
      language: fc.constantFrom("ts", "python", "c++"),
      code: fc.array(line, { minLength: 1, maxLength: 4 }).map((lines) => lines.join("\n")),
    });
    const text = fc.record({
      type: fc.constant("text" as const),
      text: fc
        .array(fc.stringMatching(/^[a-z][a-z ]{0,10}[a-z]$/), { minLength: 1, maxLength: 3 })
        .map((lines) => lines.join("\n")),
    });
    // Two texts in a row would come back as one: alternate.
    const parts = fc.array(fc.tuple(text, code), { minLength: 1, maxLength: 4 }).map((pairs) => pairs.flat());
    fc.assert(
      fc.property(parts, (given: TextOrCode[]) => {
        expect(splitFences(joinFences(given))).toEqual(given);
      }),
    );
  });
});
