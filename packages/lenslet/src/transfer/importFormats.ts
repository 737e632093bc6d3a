import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { TextDecoder } from "node:util";
import { parse as parseCsv } from "csv-parse";
import { badRequest } from "../base/errors.ts";
import { checkFieldName } from "../values/names.ts";
import { isJsonObject } from "../transaction/syscallArguments.ts";
import { encodeValue, type JsonValue, parseValue } from "../values/json.ts";

/** A JSON array is held in memory as a whole. */
export const jsonArrayBytesMax = 8 * 1024 * 1024;
/** A document has 1 MiB; its text in a file may be several times as long. */
const lineBytesMax = 16 * 1024 * 1024;

export type JsonObject = { readonly [field: string]: JsonValue };
/** Convex-encoded JSON objects, in the order of the file. Throws the errors of http-api.md §10.2. */
export type Rows = AsyncGenerator<JsonObject, void, undefined>;

/** `integers`: whether numbers without a decimal point are Int64, as in ZIP files. */
export async function* jsonLineRows(source: Readable, where: string, integers: boolean): Rows {
  let number = 0;
  for await (const line of linesOf(source, where)) {
    number += 1;
    if (line.trim() === "") continue;
    yield objectOf(
      parseText(line, "JsonInvalidRow", `${where}line ${number}`, integers),
      `${where}line ${number}`,
    );
  }
}

export async function* jsonArrayRows(file: string): Rows {
  if ((await stat(file)).size > jsonArrayBytesMax) {
    throw badRequest(
      "JsonArrayTooLarge",
      `A JSON array may have ${jsonArrayBytesMax} bytes at most. Use JSON lines (--format jsonLines) for more.`,
    );
  }
  const text = decodeUtf8(await readFile(file), "");
  checkNoBom(text, "");
  const rows = parseText(text, "NotJson", "the file", false);
  if (!Array.isArray(rows))
    throw badRequest("NotJsonArray", "The file is JSON, but not an array of objects.");
  for (const [i, row] of rows.entries()) yield objectOf(row, `element ${i + 1}`);
}

/** The first line names the fields; a field that reads as a number is one, everything else is a string. */
export async function* csvRows(file: string): Rows {
  // What goes wrong with the file comes out of the parser too.
  const parser = pipeline(
    Readable.from(utf8Texts(createReadStream(file))),
    parseCsv({ relax_column_count: true, skip_empty_lines: true }),
    () => undefined,
  );
  let header: readonly string[] | null = null;
  let number = 0;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      number += 1;
      if (header === null) {
        header = checkHeader(record);
        continue;
      }
      if (record.length > header.length) {
        throw badRequest(
          "CsvInvalidRow",
          `Row ${number} has ${record.length} fields, but the header has ${header.length}.`,
        );
      }
      if (record.length < header.length) {
        throw badRequest(
          "CsvRowMissingFields",
          `Row ${number} is missing the field "${header[record.length]}".`,
        );
      }
      yield Object.fromEntries(
        header.map((name, i): [string, JsonValue] => [name, csvValue(record[i] ?? "")]),
      );
    }
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith("CSV_") === true) {
      throw badRequest("CsvInvalidRow", `Row ${number + 1} is not valid CSV: ${(error as Error).message}`);
    }
    throw error;
  }
  if (header === null) throw badRequest("CsvMissingHeaders", "The CSV file has no header line.");
}

function checkHeader(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  for (const name of names) {
    const problem = name === "_id" || name === "_creationTime" ? null : checkFieldName(name);
    const text = problem ?? (name === "" ? "It is empty." : seen.has(name) ? "It occurs twice." : null);
    if (text !== null)
      throw badRequest("CsvInvalidHeader", `"${name}" cannot be the name of a field: ${text}`);
    seen.add(name);
  }
  return names;
}

/** Convex-encoded: JSON itself has neither -0 nor a number that is too large. */
function csvValue(text: string): JsonValue {
  return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? encodeValue(Number(text)) : text;
}

/** Throws NotUtf8 and Utf8BomNotSupported. */
async function* utf8Texts(source: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let isFirst = true;
  const decode = (chunk?: Buffer) => {
    const text = decodedBy(decoder, chunk, "", chunk !== undefined);
    if (isFirst && text !== "") {
      checkNoBom(text, "");
      isFirst = false;
    }
    return text;
  };
  for await (const chunk of source) yield decode(chunk);
  yield decode();
}

async function* linesOf(source: Readable, where: string): AsyncGenerator<string, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let isFirst = true;
  const lineOf = (bytes: Buffer) => {
    const line = decodeUtf8(bytes, where);
    if (isFirst) checkNoBom(line, where);
    isFirst = false;
    return line;
  };
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      yield lineOf(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > lineBytesMax)
      throw badRequest("JsonInvalidRow", `${where}a line is longer than ${lineBytesMax} bytes.`);
  }
  if (rest.length > 0) yield lineOf(rest);
}

/** A byte order mark is not lost, so that it can be refused. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array, where: string): string {
  return decodedBy(utf8, bytes, where);
}

/** Without `bytes`: the end of what was decoded in pieces. */
function decodedBy(
  decoder: TextDecoder,
  bytes: Uint8Array | undefined,
  where: string,
  stream = false,
): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch {
    throw badRequest("NotUtf8", `${where}the file is not UTF-8.`);
  }
}

function checkNoBom(text: string, where: string): void {
  if (!text.startsWith("\uFEFF")) return;
  throw badRequest("Utf8BomNotSupported", `${where}the file begins with a byte order mark. Remove it.`);
}

/** What may be a number that JSON cannot write again: -0, or one that is too large. */
const unusualNumber = /-0|[eE]\+?\d{3}|\d{309}/;

function parseText(text: string, code: string, where: string, integers: boolean): JsonValue {
  try {
    const plain = JSON.parse(text) as JsonValue;
    if (!integers && !unusualNumber.test(text)) return plain;
    const revive = integers ? reviveInteger : reviveFloat;
    return notTooNested(plain, () => JSON.parse(text, revive) as JsonValue);
  } catch (error) {
    if (error instanceof SyntaxError) throw badRequest(code, `${where} is not valid JSON: ${error.message}`);
    throw error;
  }
}

/** Would be written as 0 on its way to the engine. */
const negativeZero = Buffer.from(new Float64Array([-0]).buffer).toString("base64");

function reviveFloat(_key: string, value: unknown): unknown {
  if (Object.is(value, -0)) return { $float: negativeZero };
  if (typeof value === "number" && !Number.isFinite(value)) throw new SyntaxError("a number is out of range");
  return value;
}

/** `"$integer"` for numbers without a decimal point: the text of a number is lost in its value. */
function reviveInteger(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (source !== "-0") {
    const float = reviveFloat(_key, value);
    if (float !== value) return float;
  }
  if (typeof value !== "number" || source === undefined || /[.eE]/.test(source)) return value;
  const integer = BigInt(source);
  if (BigInt.asIntN(64, integer) !== integer) throw new SyntaxError(`${source} does not fit into an Int64`);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(integer);
  return { $integer: bytes.toString("base64") };
}

function objectOf(row: JsonValue, where: string): JsonObject {
  if (isJsonObject(row)) return row;
  throw badRequest("NotAnObject", `${where} is not an object.`);
}

/** Of the row's JSON text, which is how it goes to the engine. Throws TooNestedError for what has none. */
export function jsonLengthOf(row: JsonObject): number {
  return notTooNested(row, () => JSON.stringify(row).length);
}

/** JSON that is nested far too deeply makes `work` run out of stack; says then what is wrong with it. */
function notTooNested<T>(json: JsonValue, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) parseValue(json);
    throw error;
  }
}
