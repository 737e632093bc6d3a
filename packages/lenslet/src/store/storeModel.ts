import { assert } from "../base/assert.ts";
import { stringifyValue } from "../values/json.ts";
import { makeDocument } from "./document.ts";
import type { CommitTs } from "../log/log.ts";
import type { IndexId, StoredDocument, TabletId } from "./store.ts";

/** The one tablet of the contract tests, and its indexes. */
export const tablet: TabletId = 100;
export const byId: IndexId = 101;
export const byCreation: IndexId = 102;
export const byTag: IndexId = 103;

/** A document with a field `tag`, made anew each time: nothing decoded is carried over. */
export function versionOf(id: string, tag: string): StoredDocument {
  const idText = `id-${id}`;
  return makeDocument(id, idText, stringifyValue({ _creationTime: 1, _id: idText, tag }));
}

/** Any key function serves the store; this one makes keys that are prefixes of each other, zeros and 0xff included. */
export function keyOf(index: IndexId, document: StoredDocument): string {
  if (index === byId) return document.id;
  if (index === byCreation) return `\x0d${document.id}`;
  const tag = document.value["tag"];
  assert(typeof tag === "string", "a contract test's document has a tag");
  return tag + document.id;
}

/** What a store must do, in the plainest way: a map, sorted on every scan, copied on every persist. */
export class ModelStore {
  appliedTs: CommitTs = 0n;
  documents = new Map<string, StoredDocument>();
  #persisted: { readonly ts: CommitTs; readonly documents: Map<string, StoredDocument> } = {
    ts: 0n,
    documents: new Map(),
  };

  set(id: string, document: StoredDocument | null): void {
    if (document === null) this.documents.delete(id);
    else this.documents.set(id, document);
  }

  scan(
    index: IndexId,
    lower: string,
    upper: string | null,
    order: "asc" | "desc",
    limit: number,
  ): [key: string, json: string][] {
    const rows = [...this.documents.values()]
      .map((document): [string, string] => [keyOf(index, document), document.json])
      .filter(([key]) => key >= lower && (upper === null || key < upper))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    if (order === "desc") rows.reverse();
    return rows.slice(0, limit);
  }

  persist(): void {
    this.#persisted = { ts: this.appliedTs, documents: new Map(this.documents) };
  }

  rollBack(): void {
    this.appliedTs = this.#persisted.ts;
    this.documents = new Map(this.#persisted.documents);
  }
}
