import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { csvRows, jsonArrayRows, jsonLengthOf, jsonLineRows, type Rows } from "./importFormats.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "lenslet-formats-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const formats = {
  lines: (bytes: Uint8Array) => jsonLineRows(Readable.from([Buffer.from(bytes)]), "", false),
  /** As in a ZIP file. */
  exact: (bytes: Uint8Array) => jsonLineRows(Readable.from([Buffer.from(bytes)]), "", true),
  /** A byte at a time. */
  slow: (bytes: Uint8Array) =>
    jsonLineRows(Readable.from([...bytes].map((byte) => Buffer.of(byte))), "", false),
  array: (bytes: Uint8Array) => jsonArrayRows(fileOf(bytes)),
  csv: (bytes: Uint8Array) => csvRows(fileOf(bytes)),
};
type Format = keyof typeof formats;

function fileOf(bytes: Uint8Array): string {
  const file = path.join(folder, "rows");
  writeFileSync(file, bytes);
  return file;
}

async function all(rows: Rows): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const row of rows) {
    jsonLengthOf(row);
    found.push(row);
  }
  return found;
}
const read = (format: Format, text: string | Uint8Array) =>
  all(formats[format](typeof text === "string" ? Buffer.from(text) : text));

async function refused(format: Format, text: string | Uint8Array): Promise<[string, string]> {
  const error = await read(format, text).then(
    (rows) => expect.fail(`read as ${JSON.stringify(rows)}`),
    (reason: unknown) => reason as LensletError,
  );
  expect(error).toBeInstanceOf(LensletError);
  return [error.code, error.message];
}

describe("files of an import", () => {
  it.each<[Format, string, unknown[]]>([
    ["lines", '{"a":1}\n\n{"a":[1.5,null]}', [{ a: 1 }, { a: [1.5, null] }]],
    ["slow", '{"a":"ü"}\n{"b":1}\n', [{ a: "ü" }, { b: 1 }]],
    ["lines", "", []],
    ["array", '[{"a":1}]', [{ a: 1 }]],
    ["csv", 'a,b\n"x, ""y""\nz",2\n', [{ a: 'x, "y"\nz', b: 2 }]],
    ["csv", "a\nÜ\n", [{ a: "Ü" }]],
  ])("are read as %s: %j", async (format, text, rows) => {
    expect(await read(format, text)).toEqual(rows);
  });

  it.each<[Format, string, unknown]>([
    ["lines", '{"a":-0}', { $float: "AAAAAAAAAIA=" }],
    ["array", '[{"a":-0.0}]', { $float: "AAAAAAAAAIA=" }],
    ["exact", '{"a":-0.0}', { $float: "AAAAAAAAAIA=" }],
    ["exact", '{"a":-0}', { $integer: "AAAAAAAAAAA=" }],
    ["exact", '{"a":7}', { $integer: "BwAAAAAAAAA=" }],
    ["exact", '{"a":7.0}', 7],
    ["csv", "a\n-0\n", { $float: "AAAAAAAAAIA=" }],
    ["csv", "a\n1e999\n", { $float: "AAAAAAAA8H8=" }],
    ["csv", "a\n1e3\n", 1000],
    ["csv", "a\n1x\n", "1x"],
    ["lines", '{"a":"1e999 -0"}', "1e999 -0"],
  ])("lose no number on the way: %s %s", async (format, text, value) => {
    expect(await read(format, text)).toEqual([{ a: value }]);
  });

  it("keep fields of any name", async () => {
    for (const [format, text] of [
      ["lines", '{"__proto__":1}'],
      ["csv", "__proto__\n1\n"],
    ] as const)
      expect(JSON.stringify(await read(format, text))).toBe('[{"__proto__":1}]');
  });
});

describe("what is wrong with a file", () => {
  const latin1 = (before: string, after: string) =>
    Buffer.concat([Buffer.from(before), Buffer.of(0xfc), Buffer.from(after)]);
  const notUtf8 = ["NotUtf8", "the file is not UTF-8."];
  const marked = ["Utf8BomNotSupported", "the file begins with a byte order mark. Remove it."];

  it.each<[Format, string, string]>([
    ["lines", '{"a":"', '"}\n'],
    ["slow", '{"a":1}\n{"a":"', '"}\n'],
    ["array", '[{"a":"', '"}]'],
    ["csv", "a\nM", "ller\n"],
    ["csv", "a\nM", ""],
  ])("is told if it is not UTF-8: %s", async (format, before, after) => {
    expect(await refused(format, latin1(before, after))).toEqual(notUtf8);
  });

  it.each<[Format, string]>([
    ["lines", "{}\n"],
    ["slow", "{}\n"],
    ["array", "[]"],
    ["csv", "a\n1\n"],
  ])("is told if it begins with a byte order mark: %s", async (format, text) => {
    expect(await refused(format, `\uFEFF${text}`)).toEqual(marked);
  });

  it.each<[Format, string, string, string | RegExp]>([
    ["lines", '{"a":1}\n{"a":', "JsonInvalidRow", /^line 2 is not valid JSON: /],
    ["lines", '{"a":1e999}', "JsonInvalidRow", "line 1 is not valid JSON: a number is out of range"],
    ["exact", '{"a":1.0e999}', "JsonInvalidRow", "line 1 is not valid JSON: a number is out of range"],
    [
      "exact",
      '{"a":9223372036854775808}',
      "JsonInvalidRow",
      "line 1 is not valid JSON: 9223372036854775808 does not fit into an Int64",
    ],
    ["lines", "{}\n7\n", "NotAnObject", "line 2 is not an object."],
    ["array", "[{},[]]", "NotAnObject", "element 2 is not an object."],
    ["array", "[{}", "NotJson", /^the file is not valid JSON: /],
    ["array", "{}", "NotJsonArray", "The file is JSON, but not an array of objects."],
    ["csv", "", "CsvMissingHeaders", "The CSV file has no header line."],
    ["csv", "a,a\n", "CsvInvalidHeader", '"a" cannot be the name of a field: It occurs twice.'],
    ["csv", "a,\n", "CsvInvalidHeader", '"" cannot be the name of a field: It is empty.'],
    ["csv", "a,$b\n", "CsvInvalidHeader", /^"\$b" cannot be the name of a field: /],
    ["csv", "a\n1,2\n", "CsvInvalidRow", "Row 2 has 2 fields, but the header has 1."],
    ["csv", 'a\n"1\n', "CsvInvalidRow", /^Row \d is not valid CSV: /],
    ["csv", "a,b\n1\n", "CsvRowMissingFields", 'Row 2 is missing the field "b".'],
  ])("is told: %s %j", async (format, text, code, message) => {
    const told = await refused(format, text);
    expect(told[0]).toBe(code);
    if (typeof message === "string") expect(told[1]).toBe(message);
    else expect(told[1]).toMatch(message);
  });

  it.each<Format>(["lines", "exact", "array"])("is told of nesting without end: %s", async (format) => {
    const row = `{"a":${"[".repeat(200_000)}-0${"]".repeat(200_000)}}`;
    expect(await refused(format, format === "array" ? `[${row}]` : row)).toEqual([
      "TooNestedError",
      "Value is too nested (nested 65 levels deep > maximum nesting 64)",
    ]);
  });

  it("is told of an array that is too large", async () => {
    expect(await refused("array", `[${" ".repeat(8 * 1024 * 1024)}]`)).toEqual([
      "JsonArrayTooLarge",
      "A JSON array may have 8388608 bytes at most. Use JSON lines (--format jsonLines) for more.",
    ]);
  });

  it("that is not there is an error like any other", async () => {
    for (const rows of [csvRows, jsonArrayRows])
      await expect(all(rows(path.join(folder, "nothing")))).rejects.toMatchObject({ code: "ENOENT" });
  });
});
