import { hash } from "node:crypto";
import type { SearchIndex, Table } from "../store/catalog.ts";
import type { EntryTerms, SearchEntry, SearchEntryChange } from "../store/searchReader.ts";
import type { StoredDocument } from "../store/store.ts";
import { encodeKeyPart } from "../values/key.ts";
import { getField } from "../values/names.ts";
import type { Value } from "../values/value.ts";
import { lengthCodeOf } from "./lengthCode.ts";
import { tokenize } from "./tokenizer.ts";

/** Longer keys are replaced by their SHA-256, which is never shorter than this. */
const filterKeyBytesMax = 31;

/** Equal for equal values (those with equal index keys) and different for different ones; undefined is a value. */
export function filterKeyOf(value: Value | undefined): string {
  const key = encodeKeyPart(value);
  if (key.length <= filterKeyBytesMax) return key;
  return hash("sha256", Buffer.from(key, "latin1"), "buffer").toString("latin1");
}

class DocumentEntry implements SearchEntry {
  readonly text: string;
  readonly creationTime: number;
  readonly filters: readonly string[];

  constructor(text: string, creationTime: number, filters: readonly string[]) {
    this.text = text;
    this.creationTime = creationTime;
    this.filters = filters;
  }

  terms(): EntryTerms {
    const counts = new Map<string, number>();
    const tokens = tokenize(this.text);
    for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
    return { counts, tokens: tokens.length, lengthCode: lengthCodeOf(tokens.length) };
  }
}

/** What an index keeps of a document; null if the search field holds no string. */
export function searchEntryOf(index: SearchIndex, document: StoredDocument): SearchEntry | null {
  const { value } = document;
  const text = getField(value, index.searchField);
  if (typeof text !== "string") return null;
  const filters = index.filterFields.map((path) => filterKeyOf(getField(value, path)));
  return new DocumentEntry(text, value["_creationTime"] as number, filters);
}

/** For `DocumentWrite.search`: undefined for a table without search indexes. */
export function searchChangesOf(
  table: Table,
  before: StoredDocument | null,
  after: StoredDocument | null,
): readonly SearchEntryChange[] | undefined {
  if (table.searchIndexes.length === 0) return undefined;
  return table.searchIndexes.map((index) => ({
    index: index.id,
    before: before === null ? null : searchEntryOf(index, before),
    after: after === null ? null : searchEntryOf(index, after),
  }));
}
