import { assert } from "../../base/assert.ts";
import type { InternalId } from "../../values/id.ts";
import type { IndexKey } from "../../values/key.ts";
import type { SearchEntry, SearchReader, TermCount } from "../searchReader.ts";
import { type SqliteDatabase, Statement } from "../sqliteDatabase.ts";
import type { IndexId, TabletId } from "../store.ts";
import type { Buffered, WriteBuffer } from "../writeBuffer.ts";
import { ByteWriter } from "./bytes.ts";
import { Ordinals } from "./ordinals.ts";
import { entriesByKey, findEntry, PageTable, RunCursor, type RunWriter, type TermEntry } from "./pages.ts";
import { PendingPostings } from "./pending.ts";
import { type PostingChunk, readChunks } from "./postings.ts";
import { Runs, type RunsState } from "./runs.ts";

/** The row of a search index in `search_indexes`. */
interface PersistedState extends RunsState {
  readonly documents: number;
  readonly tokens: number;
  readonly nextOrdinal: number;
}

const emptyState: PersistedState = {
  documents: 0,
  tokens: 0,
  nextOrdinal: 0,
  runs: [],
  nextRun: 1,
  garbage: [],
};

/** Names of a document that take as long to write as one change of another kind. */
const namesPerChange = 8;

/**
 * One text search index: an inverted index in runs (runs.ts), written like a log-structured merge tree. Changes gather
 * in memory, where searches see them; a flush writes them as a run of their own and merges a little. A changed text is
 * a removed document and a new one. Counts are exact: a removal is written as -1 for each term the document had.
 */
export class SearchTable implements Buffered {
  readonly id: IndexId;
  readonly tablet: TabletId;
  readonly #buffer: WriteBuffer;
  readonly #pages: PageTable;
  readonly #ordinals: Ordinals;
  readonly #runs: Runs;
  readonly #terms = new PendingPostings();
  /** By position in the list of filter fields. */
  readonly #filters = new Map<number, PendingPostings>();
  readonly #putState: Statement;
  #documents: number;
  #tokens: number;
  #changed = false;

  constructor(
    database: SqliteDatabase,
    buffer: WriteBuffer,
    id: IndexId,
    tablet: TabletId,
    stateJson: string,
  ) {
    this.id = id;
    this.tablet = tablet;
    this.#buffer = buffer;
    const name = nameOf(id);
    const state = JSON.parse(stateJson) as PersistedState;
    this.#documents = state.documents;
    this.#tokens = state.tokens;
    this.#pages = new PageTable(database, `${name}_pages`);
    this.#ordinals = new Ordinals(database, name, state.nextOrdinal);
    this.#runs = new Runs(this.#pages, this.#ordinals, state);
    this.#putState = new Statement(database, "UPDATE search_indexes SET state = ? WHERE id = ?");
  }

  /** Of all indexes: `id`, `tablet` and the state of each. */
  static createList(database: SqliteDatabase): void {
    database.exec(
      "CREATE TABLE IF NOT EXISTS search_indexes (id INTEGER PRIMARY KEY, tablet INTEGER NOT NULL, state TEXT NOT NULL)",
    );
  }

  static create(database: SqliteDatabase, id: IndexId, tablet: TabletId): string {
    const name = nameOf(id);
    const state = JSON.stringify(emptyState);
    PageTable.create(database, `${name}_pages`);
    Ordinals.create(database, name);
    database
      .prepare("INSERT INTO search_indexes (id, tablet, state) VALUES (?, ?, ?)")
      .run(id, tablet, state);
    return state;
  }

  static drop(database: SqliteDatabase, id: IndexId): void {
    database.exec(`DROP TABLE ${nameOf(id)}_pages`);
    Ordinals.drop(database, nameOf(id));
    database.prepare("DELETE FROM search_indexes WHERE id = ?").run(id);
  }

  change(id: InternalId, before: SearchEntry | null, after: SearchEntry | null): void {
    if (before !== null && after !== null && isSameEntry(before, after)) return;
    if (before !== null) this.#remove(id, before);
    if (after !== null) this.#add(id, after);
  }

  /** Adds documents that are older than the index. Some may have come here with a write already. */
  backfill(documents: readonly { readonly id: InternalId; readonly entry: SearchEntry }[]): void {
    for (const { id, entry } of documents) if (this.#ordinals.ordinalOf(id) === null) this.#add(id, entry);
  }

  flush(): void {
    if (!this.#changed) return;
    const run = this.#runs.startRun();
    for (const [position, pending] of [...this.#filters].toSorted(([a], [b]) => a - b)) {
      this.#writePending(pending, (key) => filterKey(position, key), run);
    }
    this.#writePending(this.#terms, termKey, run);
    this.#changed = false;
    this.#ordinals.flush();
    this.#runs.add(run);
    const state: PersistedState = {
      documents: this.#documents,
      tokens: this.#tokens,
      nextOrdinal: this.#ordinals.next,
      ...this.#runs.state(),
    };
    this.#putState.use().run(JSON.stringify(state), this.id);
  }

  reader(): SearchReader {
    const ordinals = this.#ordinals;
    const known = new Map<string, TermEntry[]>();
    const entriesOf = (term: string): TermEntry[] => {
      let entries = known.get(term);
      if (entries === undefined) {
        entries = this.#entriesOf(termKey(term), this.#terms, term);
        known.set(term, entries);
      }
      return entries;
    };
    return {
      documents: this.#documents,
      tokens: this.#tokens,
      documentsWith: (term) => {
        let documents = 0;
        for (const entry of entriesOf(term)) documents += entry.documents;
        return documents;
      },
      termsFrom: (prefix) => this.#termsFrom(prefix),
      termPostings: (term) => chunksOf(entriesOf(term)),
      filterPostings: (position, key) =>
        chunksOf(this.#entriesOf(filterKey(position, key), this.#filter(position), key)),
      removedIn: (window) => ordinals.removedIn(window),
      newestIn: (window) => ordinals.newestIn(window),
      creationTimeAt: (ordinal) => ordinals.creationTimeAt(ordinal),
      idAt: (ordinal) => ordinals.idAt(ordinal),
      ordinalOf: (id) => ordinals.ordinalOf(id),
    };
  }

  #add(id: InternalId, entry: SearchEntry): void {
    const ordinal = this.#ordinals.add(id, entry.creationTime);
    this.#changed = true;
    const { counts, tokens, lengthCode } = entry.terms();
    this.#documents += 1;
    this.#tokens += tokens;
    for (const [term, frequency] of counts) this.#terms.add(term, ordinal, frequency, lengthCode);
    for (const [position, key] of entry.filters.entries()) {
      this.#filter(position).add(key, ordinal, 1, lengthCode);
    }
    this.#buffer.note(this, 1 + Math.ceil(counts.size / namesPerChange), entry.text.length);
  }

  #remove(id: InternalId, entry: SearchEntry): void {
    // While the index is being built it may not have come to this document yet.
    if (!this.#ordinals.remove(id)) return;
    this.#changed = true;
    const { counts, tokens } = entry.terms();
    this.#documents -= 1;
    this.#tokens -= tokens;
    for (const term of counts.keys()) this.#terms.subtract(term);
    for (const [position, key] of entry.filters.entries()) this.#filter(position).subtract(key);
    this.#buffer.note(this, 1, entry.text.length);
  }

  #filter(position: number): PendingPostings {
    let pending = this.#filters.get(position);
    if (pending === undefined) {
      pending = new PendingPostings();
      this.#filters.set(position, pending);
    }
    return pending;
  }

  /** Writes pending postings to a run, in key order, and forgets them. */
  #writePending(pending: PendingPostings, keyOf: (name: string) => IndexKey, run: RunWriter): void {
    const names = new Map<IndexKey, string>();
    for (const name of pending.names()) names.set(keyOf(name), name);
    const chunks = new ByteWriter();
    for (const key of [...names.keys()].toSorted()) {
      const name = names.get(key) as string;
      const documents = pending.documentsOf(name);
      chunks.clear();
      pending.write(name, this.#ordinals, chunks);
      if (documents !== 0 || chunks.length > 0) run.add(key, documents, chunks.bytes, 0, chunks.length);
    }
    pending.clear();
  }

  #pendingEntry(pending: PendingPostings, name: string, key: IndexKey): TermEntry {
    const chunks = new ByteWriter();
    pending.write(name, this.#ordinals, chunks);
    return { key, documents: pending.documentsOf(name), data: chunks.bytes, start: 0, end: chunks.length };
  }

  /** What the runs know of a key, oldest first, and at last what is pending of it. */
  #entriesOf(key: IndexKey, pending: PendingPostings, name: string): TermEntry[] {
    const entries: TermEntry[] = [];
    for (const { run } of this.#runs.list()) {
      const page = this.#pages.floor(run, key);
      const entry = page === null ? null : findEntry(page, key);
      if (entry !== null) entries.push(entry);
    }
    return [...entries, this.#pendingEntry(pending, name, key)];
  }

  *#termsFrom(prefix: string): Generator<TermCount> {
    const from = termKey(prefix);
    const pending: IndexKey[] = [];
    for (const term of this.#terms.names()) if (term.startsWith(prefix)) pending.push(termKey(term));
    pending.sort();
    let next = 0;
    const written = entriesByKey(this.#runs.list().map(({ run }) => new RunCursor(this.#pages, run, from)));
    let entries = written.next();
    for (;;) {
      const key = entries.done === true ? undefined : entries.value[0]?.key;
      const ours = pending[next];
      const lowest = key === undefined || (ours !== undefined && ours < key) ? ours : key;
      if (lowest === undefined || !lowest.startsWith(from)) return;
      const term = termOf(lowest);
      let documents = 0;
      if (lowest === ours) {
        documents += this.#terms.documentsOf(term);
        next += 1;
      }
      if (entries.done !== true && lowest === key) {
        for (const entry of entries.value) documents += entry.documents;
        entries = written.next();
      }
      if (documents > 0) yield { term, documents };
    }
  }
}

function nameOf(id: IndexId): string {
  return `search_${id}`;
}

/** The chunks of entries that are given oldest first, windows descending. */
function chunksOf(entries: readonly TermEntry[]): readonly PostingChunk[] {
  const chunks: PostingChunk[] = [];
  for (const { data, start, end } of entries) readChunks(data, start, end, chunks);
  return chunks.reverse();
}

function isSameEntry(a: SearchEntry, b: SearchEntry): boolean {
  if (a.text !== b.text || a.creationTime !== b.creationTime) return false;
  return a.filters.length === b.filters.length && a.filters.every((key, i) => key === b.filters[i]);
}

const termTag = "t";
const filterTag = "f";

/** Keys are strings of bytes (values/key.ts), so that their order is that of the BLOBs. */
function termKey(term: string): IndexKey {
  for (let i = 0; i < term.length; i++) {
    if (term.charCodeAt(i) > 0x7f) return termTag + Buffer.from(term).toString("latin1");
  }
  return termTag + term;
}

function termOf(key: IndexKey): string {
  return Buffer.from(key, "latin1").toString("utf8", 1);
}

function filterKey(position: number, key: string): IndexKey {
  assert(position < 128, "an index has few filter fields");
  return filterTag + String.fromCharCode(position) + key;
}
