import { assert } from "../base/assert.ts";
import { searchEntryOf } from "../search/entry.ts";
import { SearchOverlay } from "../search/overlay.ts";
import type { DatabaseIndex, SearchIndex, Table } from "../store/catalog.ts";
import type { DocumentWrite, IndexId, IndexKeyChange, StoredDocument, TabletId } from "../store/store.ts";
import type { InternalId } from "../values/id.ts";
import { type IndexKey, indexKeyOf } from "../values/key.ts";
import { getField } from "../values/names.ts";
import type { ValueObject } from "../values/value.ts";
import { IndexOverlay } from "./overlay.ts";

/** A document the transaction has written: the committed version and the newest pending one. */
export interface PendingDocument {
  readonly table: Table;
  readonly id: InternalId;
  readonly idText: string;
  readonly base: StoredDocument | null;
  current: StoredDocument | null;
}

interface JournalEntry {
  readonly pending: PendingDocument;
  readonly before: StoredDocument | null;
  readonly after: StoredDocument | null;
  /** The entry that made the document pending; rolling it back forgets the document. */
  readonly first: boolean;
}

interface PendingTable {
  readonly documents: Map<InternalId, PendingDocument>;
  readonly journal: JournalEntry[];
  /** Built when an index is first scanned; `applied` journal entries are in it. */
  readonly overlays: Map<IndexId, { overlay: IndexOverlay; applied: number }>;
  /** The same for search indexes. */
  readonly searchOverlays: Map<IndexId, { overlay: SearchOverlay; applied: number }>;
}

export function indexKey(index: DatabaseIndex, document: StoredDocument): IndexKey {
  return index.fields.length === 0 ? document.id : indexKeyOf(document.value, index.fields, document.id);
}

/** The keys of a document in all indexes of its table. One that stays costs no second string: history keeps them all. */
export function keyChangesOf(
  table: Table,
  id: InternalId,
  before: StoredDocument | null,
  after: StoredDocument | null,
): IndexKeyChange[] {
  return table.indexes.map(({ id: index, fields }) => {
    const key = before === null ? null : indexKeyOf(before.value, fields, id);
    const stays = before !== null && after !== null && haveSameFields(before.value, after.value, fields);
    if (stays) return { index, before: key, after: key };
    return { index, before: key, after: after === null ? null : indexKeyOf(after.value, fields, id) };
  });
}

function haveSameFields(a: ValueObject, b: ValueObject, fields: DatabaseIndex["fields"]): boolean {
  for (const field of fields) if (!Object.is(getField(a, field), getField(b, field))) return false;
  return true;
}

/**
 * The writes of a transaction, coalesced per document, with a journal that makes savepoints exact. Index overlays are
 * built from the journal only when a scan asks, so that mutations that never scan what they wrote do not pay for them.
 */
export class PendingWrites {
  readonly #tables = new Map<TabletId, PendingTable>();
  readonly #journal: JournalEntry[] = [];

  /** Undefined when the document is not written by this transaction. */
  get(tablet: TabletId, id: InternalId): PendingDocument | undefined {
    return this.#tables.get(tablet)?.documents.get(id);
  }

  /** `before` is the version the transaction sees now: the committed one if the document is not pending yet. */
  set(
    table: Table,
    id: InternalId,
    idText: string,
    before: StoredDocument | null,
    after: StoredDocument | null,
  ): void {
    let pendingTable = this.#tables.get(table.tablet);
    if (pendingTable === undefined) {
      pendingTable = { documents: new Map(), journal: [], overlays: new Map(), searchOverlays: new Map() };
      this.#tables.set(table.tablet, pendingTable);
    }
    let pending = pendingTable.documents.get(id);
    const first = pending === undefined;
    if (pending === undefined) {
      pending = { table, id, idText, base: before, current: before };
      pendingTable.documents.set(id, pending);
    }
    assert(pending.current === before, "a write starts from the version the transaction sees");
    pending.current = after;
    const entry = { pending, before, after, first };
    pendingTable.journal.push(entry);
    this.#journal.push(entry);
  }

  /** The changes of one index; null when the table has none. */
  overlay(tablet: TabletId, index: DatabaseIndex): IndexOverlay | null {
    const pendingTable = this.#tables.get(tablet);
    if (pendingTable === undefined || pendingTable.journal.length === 0) return null;
    let state = pendingTable.overlays.get(index.id);
    if (state === undefined) {
      state = { overlay: new IndexOverlay(), applied: 0 };
      pendingTable.overlays.set(index.id, state);
    }
    for (; state.applied < pendingTable.journal.length; state.applied++) {
      const { before, after } = pendingTable.journal[state.applied] as JournalEntry;
      if (before !== null) state.overlay.set(indexKey(index, before), null);
      if (after !== null) state.overlay.set(indexKey(index, after), after);
    }
    return state.overlay;
  }

  /** The changes of one search index; null when the table has none. */
  searchOverlay(tablet: TabletId, index: SearchIndex): SearchOverlay | null {
    const pendingTable = this.#tables.get(tablet);
    if (pendingTable === undefined || pendingTable.journal.length === 0) return null;
    let state = pendingTable.searchOverlays.get(index.id);
    if (state === undefined) {
      state = { overlay: new SearchOverlay(), applied: 0 };
      pendingTable.searchOverlays.set(index.id, state);
    }
    for (; state.applied < pendingTable.journal.length; state.applied++) {
      const { pending, before, after } = pendingTable.journal[state.applied] as JournalEntry;
      replaceEntry(state.overlay, index, pending.id, before, after);
    }
    return state.overlay;
  }

  /** Documents the table has gained minus those it has lost. */
  countDelta(tablet: TabletId): number {
    let delta = 0;
    for (const { base, current } of this.#tables.get(tablet)?.documents.values() ?? []) {
      delta += (current === null ? 0 : 1) - (base === null ? 0 : 1);
    }
    return delta;
  }

  savepoint(): number {
    return this.#journal.length;
  }

  rollback(savepoint: number): void {
    assert(savepoint <= this.#journal.length, "a savepoint lies before the end of the journal");
    while (this.#journal.length > savepoint) {
      const { pending, before, first } = this.#journal.pop() as JournalEntry;
      const pendingTable = this.#tables.get(pending.table.tablet) as PendingTable;
      pendingTable.journal.pop();
      // Overlays that contain the entry are built again when needed.
      for (const overlays of [pendingTable.overlays, pendingTable.searchOverlays]) {
        for (const [index, state] of overlays) {
          if (state.applied > pendingTable.journal.length) overlays.delete(index);
        }
      }
      pending.current = before;
      if (first) pendingTable.documents.delete(pending.id);
    }
  }

  /** Documents whose content differs from the committed one, in the order in which they were first written. */
  *changed(): Generator<PendingDocument> {
    for (const { pending, first } of this.#journal) {
      if (first && pending.base?.json !== pending.current?.json) yield pending;
    }
  }
}

function replaceEntry(
  overlay: SearchOverlay,
  index: SearchIndex,
  id: InternalId,
  before: StoredDocument | null,
  after: StoredDocument | null,
): void {
  const from = before === null ? null : searchEntryOf(index, before);
  overlay.change(id, from, after, after === null ? null : searchEntryOf(index, after));
}

/** What lies behind an older snapshot: the versions that later commits replaced. */
export class UndoOverlay {
  readonly #documents = new Map<TabletId, Map<InternalId, StoredDocument | null>>();
  readonly #overlays = new Map<IndexId, IndexOverlay>();
  readonly #searchOverlays = new Map<IndexId, SearchOverlay>();
  readonly #countDeltas = new Map<TabletId, number>();
  readonly #commits: readonly (readonly DocumentWrite[])[];

  /** `commits`: those after the snapshot, newest first. */
  constructor(commits: readonly (readonly DocumentWrite[])[]) {
    this.#commits = commits;
    for (const commit of commits) for (const write of commit) this.#take(write);
  }

  /** Undefined when no later commit wrote the document. */
  get(tablet: TabletId, id: InternalId): StoredDocument | null | undefined {
    return this.#documents.get(tablet)?.get(id);
  }

  overlay(index: IndexId): IndexOverlay | null {
    return this.#overlays.get(index) ?? null;
  }

  /** Of the documents themselves, for the index may be younger than some of the commits. */
  searchOverlay(tablet: TabletId, index: SearchIndex): SearchOverlay {
    let overlay = this.#searchOverlays.get(index.id);
    if (overlay !== undefined) return overlay;
    overlay = new SearchOverlay();
    this.#searchOverlays.set(index.id, overlay);
    for (const commit of this.#commits) {
      for (const write of commit) {
        if (write.tablet === tablet) replaceEntry(overlay, index, write.id, write.after, write.before);
      }
    }
    return overlay;
  }

  countDelta(tablet: TabletId): number {
    return this.#countDeltas.get(tablet) ?? 0;
  }

  #take({ tablet, id, before, after, keys }: DocumentWrite): void {
    let documents = this.#documents.get(tablet);
    if (documents === undefined) {
      documents = new Map();
      this.#documents.set(tablet, documents);
    }
    documents.set(id, before);
    const delta = (before === null ? 0 : 1) - (after === null ? 0 : 1);
    this.#countDeltas.set(tablet, this.countDelta(tablet) + delta);
    for (const key of keys) {
      let overlay = this.#overlays.get(key.index);
      if (overlay === undefined) {
        overlay = new IndexOverlay();
        this.#overlays.set(key.index, overlay);
      }
      if (key.after !== null) overlay.set(key.after, null);
      if (key.before !== null) overlay.set(key.before, before);
    }
  }
}
