import type { ConvexError } from "convex/values";
import { describe, expect, it } from "vitest";
import type { ErrorData } from "./errors.ts";
import { limits } from "./limits.ts";
import { addEdit, checkBody, type Edit, filesOf, type MessagePart, preview, sameParts } from "./parts.ts";

function refusal(input: Parameters<typeof checkBody>[0]): ErrorData {
  try {
    checkBody(input);
  } catch (error) {
    return (error as ConvexError<ErrorData>).data;
  }
  throw new Error("checkBody accepted what it should refuse");
}

describe("what a message says", () => {
  it("flattens its parts into content, as in the specification's sample", () => {
    const parts: MessagePart[] = [
      { type: "text", text: "Here's my code:" },
      { type: "code", language: "typescript", code: "const x = 1;" },
      { type: "text", text: "What do you think?" },
    ];
    expect(checkBody({ parts })).toEqual({
      parts,
      content: "Here's my code: const x = 1; What do you think?",
    });
  });

  it("makes plain content one text part", () => {
    expect(checkBody({ content: "Hello" })).toEqual({
      parts: [{ type: "text", text: "Hello" }],
      content: "Hello",
    });
    expect(checkBody({ content: "Hello", parts: [] }).parts).toEqual([{ type: "text", text: "Hello" }]);
  });

  it("needs at least one part if the content is empty", () => {
    for (const input of [
      {},
      { content: "" },
      { content: " \n " },
      { parts: [] },
      { parts: [{ type: "text" as const, text: "  " }] },
      { parts: [{ type: "code" as const, language: "ts", code: "\n" }] },
    ])
      expect(refusal(input)).toMatchObject({ code: "invalid", field: "content" });
    const image: MessagePart = { type: "image", url: "https://example.com/cat.png" };
    expect(checkBody({ parts: [image] })).toEqual({ parts: [image], content: "" });
  });

  it("has at most 100,000 characters, over all parts together", () => {
    expect(checkBody({ content: "x".repeat(100_000) }).content).toHaveLength(100_000);
    expect(refusal({ content: "x".repeat(100_001) }).field).toBe("content");
    const half: MessagePart = { type: "text", text: "x".repeat(50_000) };
    expect(refusal({ parts: [half, half] }).field).toBe("content"); // 50,000 + a space + 50,000
  });

  it("has a bounded number of parts, with bounded names", () => {
    const part: MessagePart = { type: "text", text: "x" };
    expect(checkBody({ parts: Array.from({ length: limits.partsMax }, () => part) }).parts).toHaveLength(
      limits.partsMax,
    );
    expect(refusal({ parts: Array.from({ length: limits.partsMax + 1 }, () => part) }).field).toBe("parts");
    expect(refusal({ parts: [{ type: "code", language: "x".repeat(51), code: "1" }] }).field).toBe("parts");
    expect(
      refusal({ parts: [{ type: "code", language: "c", code: "1", filename: "x".repeat(256) }] }).field,
    ).toBe("parts");
    expect(refusal({ parts: [{ type: "image", url: "javascript:alert(1)" }] }).field).toBe("parts");
  });

  it("lets files through by their name; whether they are attached is for the mutation to see", () => {
    const file = { type: "file", fileId: "f" as never, fileName: "a", fileType: "b", fileSize: 1 } as const;
    expect(checkBody({ parts: [file] })).toEqual({ parts: [file], content: "a" });
    expect(refusal({ parts: [{ ...file, fileName: "x".repeat(256) }] }).field).toBe("parts");
    expect(filesOf([{ type: "text", text: "x" }, file])).toEqual([file]);
  });
});

it("tells whether two bodies are the same, whatever the order of their fields", () => {
  const one: MessagePart[] = [{ type: "text", text: "a" }];
  expect(sameParts(one, [{ text: "a", type: "text" }])).toBe(true);
  expect(sameParts(one, [{ type: "text", text: "b" }])).toBe(false);
  expect(sameParts(one, [...one, ...one])).toBe(false);
});

describe("previews", () => {
  it("are one line of bounded length", () => {
    expect(preview("  a\n\n b  ")).toBe("a b");
    expect(preview("word ".repeat(1000)).length).toBeLessThanOrEqual(limits.previewLength);
    expect(preview("word ".repeat(1000))).toMatch(/word…$/);
  });
});

describe("edit history", () => {
  const edit = (timestamp: number, previousContent: string): Edit => ({ timestamp, previousContent });

  it("keeps the newest entries, oldest first", () => {
    let history: Edit[] = [];
    for (let index = 0; index < limits.editHistoryEntriesMax + 5; index++)
      history = addEdit(history, edit(index, `text ${index}`));
    expect(history).toHaveLength(limits.editHistoryEntriesMax);
    expect(history[0]).toEqual(edit(5, "text 5"));
    expect(history.at(-1)).toEqual(edit(limits.editHistoryEntriesMax + 4, "text 54"));
  });

  it("always keeps the newest, and lets a document stay below 1 MiB", () => {
    const longest = "世".repeat(limits.contentLengthMax); // three bytes for each of them
    const history = addEdit([edit(1, longest)], edit(2, longest));
    expect(history.map(({ timestamp }) => timestamp)).toEqual([2]);
    const { parts, content } = checkBody({ content: longest });
    expect(Buffer.byteLength(JSON.stringify({ parts, content, history }))).toBeLessThan(1024 * 1024);
  });
});
