import { assert } from "../../lenslet/src/base/assert.ts";
import type { CommitTs } from "../../lenslet/src/log/log.ts";
import type { SearchEntry, SearchReader } from "../../lenslet/src/store/searchReader.ts";
import type {
  DocumentWrite,
  IndexId,
  ScanRow,
  SessionRequest,
  Store,
  StoredDocument,
  TabletId,
  VectorIndexShape,
} from "../../lenslet/src/store/store.ts";
import type { VectorEntry, VectorReader } from "../../lenslet/src/store/vectorReader.ts";
import type { InternalId } from "../../lenslet/src/values/id.ts";
import { type IndexKey, prefixEnd } from "../../lenslet/src/values/key.ts";
import { SortedKeys } from "./sortedKeys.ts";

/** Forks share what neither has changed yet: only its owner may change it. */
interface Owned {
  readonly owner: MemoryStore;
}

interface Tablet extends Owned {
  readonly byId: IndexId;
  readonly documents: Map<InternalId, StoredDocument>;
  readonly ids: SortedKeys;
}

interface Index extends Owned {
  readonly tablet: TabletId;
  readonly keys: SortedKeys;
}

/** A text or vector index. */
interface SearchIndex extends Owned {
  readonly tablet: TabletId;
  readonly byId: IndexId;
  /** The search store has it. */
  isOpen: boolean;
  /** What the search store has to do before it is read; the first step creates it. */
  steps: SearchStep[];
}

type SearchStep = (store: Store, nextTs: () => CommitTs) => void;

/** Every key ends with the id of its document. */
const idLength = 16;

/**
 * The Store contract on plain maps and sorted arrays: a test's database costs nothing to open, where SQLite has a table
 * to create for each index. Text and vector indexes are the SQLite store's own; each is made there when a test searches
 * it: components have a dozen of them, of which a test uses one if any.
 */
export class MemoryStore implements Store {
  readonly #openSearchStore: () => Store;
  #tablets = new Map<TabletId, Tablet>();
  #indexes = new Map<IndexId, Index>();
  readonly #requests = new Map<string, SessionRequest>();
  #appliedTs: CommitTs = 0n;
  #greatestPhysicalId = 0;
  /** The commit that drops something may still mention it. */
  #dropped = new Set<TabletId | IndexId>();
  #searchIndexes = new Map<IndexId, SearchIndex>();
  /** Those of the search store. */
  readonly #searchTablets = new Set<TabletId>();
  #searchTs: CommitTs = 0n;
  #searchStore: Store | null = null;

  constructor(openSearchStore: () => Store) {
    this.#openSearchStore = openSearchStore;
  }

  /**
   * A store with the same contents that goes its own way from here, at no cost for what it never touches. This one may
   * not change any more, and has not been searched.
   */
  fork(): MemoryStore {
    assert(this.#searchStore === null && this.#requests.size === 0, "only a store without readers is forked");
    const fork = new MemoryStore(this.#openSearchStore);
    fork.#tablets = new Map(this.#tablets);
    fork.#indexes = new Map(this.#indexes);
    fork.#dropped = new Set(this.#dropped);
    fork.#searchIndexes = new Map(this.#searchIndexes);
    fork.#greatestPhysicalId = this.#greatestPhysicalId;
    return fork;
  }

  /** Memory does not fail. */
  failure(): null {
    return null;
  }

  appliedTs(): CommitTs {
    return this.#appliedTs;
  }

  createTablet(tablet: TabletId, byId: IndexId): void {
    if (this.#tablets.has(tablet)) return;
    this.#took(tablet, byId);
    this.#tablets.set(tablet, { owner: this, byId, documents: new Map(), ids: new SortedKeys() });
  }

  dropTablet(tablet: TabletId): void {
    if (!this.#tablets.delete(tablet)) return;
    this.#dropped.add(tablet);
    for (const [index, { tablet: owner }] of this.#indexes) if (owner === tablet) this.dropIndex(index);
    for (const [index, { tablet: owner }] of this.#searchIndexes) if (owner === tablet) this.dropIndex(index);
    if (this.#searchTablets.delete(tablet)) this.#searchStore?.dropTablet(tablet);
  }

  createIndex(index: IndexId, tablet: TabletId): void {
    if (this.#indexes.has(index)) return;
    this.#took(index);
    this.#indexes.set(index, { owner: this, tablet, keys: new SortedKeys() });
  }

  createSearchIndex(index: IndexId, tablet: TabletId): void {
    this.#createForSearch(index, tablet, (store) => store.createSearchIndex(index, tablet));
  }

  createVectorIndex(index: IndexId, tablet: TabletId, shape: VectorIndexShape): void {
    this.#createForSearch(index, tablet, (store) => store.createVectorIndex(index, tablet, shape));
  }

  dropIndex(index: IndexId): void {
    const searched = this.#searchIndexes.get(index);
    if (searched?.isOpen === true) this.#searchStore?.dropIndex(index);
    if (!this.#searchIndexes.delete(index) && !this.#indexes.delete(index)) return;
    this.#dropped.add(index);
  }

  greatestPhysicalId(): number {
    return this.#greatestPhysicalId;
  }

  applyCommit(ts: CommitTs, writes: readonly DocumentWrite[], request: SessionRequest | null): void {
    assert(ts > this.#appliedTs, "commitTs must increase");
    this.#appliedTs = ts;
    for (const write of writes) this.#apply(write);
    if (request !== null) this.#requests.set(requestKey(request.sessionId, request.requestId), request);
  }

  backfillIndex(
    index: IndexId,
    entries: readonly { readonly key: IndexKey; readonly id: InternalId }[],
  ): void {
    const keys = this.#ownKeys(index);
    for (const { key } of entries) keys?.add(key);
  }

  backfillSearchIndex(
    index: IndexId,
    documents: readonly { readonly id: InternalId; readonly entry: SearchEntry }[],
  ): void {
    this.#ownSearchIndex(index)?.steps.push((store) => store.backfillSearchIndex(index, documents));
  }

  backfillVectorIndex(
    index: IndexId,
    documents: readonly { readonly id: InternalId; readonly entry: VectorEntry }[],
  ): void {
    this.#ownSearchIndex(index)?.steps.push((store) => store.backfillVectorIndex(index, documents));
  }

  get(tablet: TabletId, id: InternalId): StoredDocument | null {
    const source = this.#tablets.get(tablet);
    assert(source !== undefined, "a tablet is created before it is read");
    return source.documents.get(id) ?? null;
  }

  lookUp(
    index: IndexId,
    tablet: TabletId,
    prefix: IndexKey,
    order: "asc" | "desc",
    limit: number,
  ): ScanRow[] {
    return this.scan(index, tablet, prefix, prefixEnd(prefix), order, limit);
  }

  scan(
    index: IndexId,
    tablet: TabletId,
    lower: IndexKey,
    upper: IndexKey | null,
    order: "asc" | "desc",
    limit: number,
  ): ScanRow[] {
    const source = this.#tablets.get(tablet);
    assert(source !== undefined, "a tablet is created before it is read");
    const keys = source.byId === index ? source.ids : this.#indexes.get(index)?.keys;
    return (keys?.range(lower, upper, order, limit) ?? []).map((key) => {
      const document = source.documents.get(key.slice(-idLength));
      assert(document !== undefined, "an index has the keys of existing documents");
      return { key, document };
    });
  }

  searchReader(index: IndexId): SearchReader {
    return this.#forReading(index).searchReader(index);
  }

  vectorReader(index: IndexId): VectorReader | null {
    return this.#forReading(index).vectorReader(index);
  }

  count(tablet: TabletId): number {
    return this.#tablets.get(tablet)?.documents.size ?? 0;
  }

  sessionRequest(sessionId: string, requestId: number): SessionRequest | null {
    return this.#requests.get(requestKey(sessionId, requestId)) ?? null;
  }

  expireSessionRequests(before: CommitTs): void {
    for (const [key, { ts }] of this.#requests) if (ts < before) this.#requests.delete(key);
  }

  /** There is no disk to wait for, and no file that changes. */
  checkpoint(): CommitTs {
    return this.appliedTs();
  }
  holdFile(): CommitTs {
    return this.appliedTs();
  }
  releaseFile(): void {}
  /** There is nothing that could survive. */
  persist(): void {}

  close(): void {
    this.#searchStore?.close();
    this.#searchStore = null;
  }

  #apply(write: DocumentWrite): void {
    const { tablet: tabletId, id, after, keys, search = [], vectors = [] } = write;
    const tablet = this.#ownTablet(tabletId);
    if (tablet === undefined) {
      assert(this.#dropped.has(tabletId), "a commit writes to tablets that exist");
      return;
    }
    for (const change of search) this.#changeSearchIndex(write, change.index, { search: [change] });
    for (const change of vectors) this.#changeSearchIndex(write, change.index, { vectors: [change] });
    if (after === null) {
      tablet.documents.delete(id);
      tablet.ids.delete(id);
    } else {
      if (!tablet.documents.has(id)) tablet.ids.add(id);
      tablet.documents.set(id, after);
    }
    for (const change of keys) {
      if (change.before === change.after) continue;
      const entries = this.#ownKeys(change.index);
      if (change.before !== null) entries?.delete(change.before);
      if (change.after !== null) entries?.add(change.after);
    }
  }

  #createForSearch(index: IndexId, tablet: TabletId, create: (store: Store) => void): void {
    if (this.#searchIndexes.has(index)) return;
    this.#took(index);
    const byId = this.#tablets.get(tablet)?.byId;
    assert(byId !== undefined, "an index is created after its tablet");
    this.#searchIndexes.set(index, { owner: this, tablet, byId, isOpen: false, steps: [create] });
  }

  /** The search store knows entries of its indexes, and no documents. */
  #changeSearchIndex(
    { tablet, id, idText }: DocumentWrite,
    index: IndexId,
    changes: Pick<DocumentWrite, "search" | "vectors">,
  ): void {
    const searched = this.#ownSearchIndex(index);
    assert(searched !== undefined || this.#dropped.has(index), "a commit changes indexes that exist");
    const write = { tablet, id, idText, before: null, after: null, keys: [], ...changes };
    searched?.steps.push((store, nextTs) => store.applyCommit(nextTs(), [write], null));
  }

  #forReading(index: IndexId): Store {
    const store = (this.#searchStore ??= this.#openSearchStore());
    const searched = this.#ownSearchIndex(index);
    if (searched === undefined) return store;
    const { tablet, byId, steps } = searched;
    if (!this.#searchTablets.has(tablet)) store.createTablet(tablet, byId);
    this.#searchTablets.add(tablet);
    searched.isOpen = true;
    searched.steps = [];
    for (const step of steps) step(store, () => (this.#searchTs += 1n));
    return store;
  }

  #ownTablet(id: TabletId): Tablet | undefined {
    const shared = this.#tablets.get(id);
    if (shared === undefined || shared.owner === this) return shared;
    const { byId, documents, ids } = shared;
    const own = { owner: this, byId, documents: new Map(documents), ids: ids.copy() };
    this.#tablets.set(id, own);
    return own;
  }

  #ownKeys(id: IndexId): SortedKeys | undefined {
    const shared = this.#indexes.get(id);
    if (shared === undefined || shared.owner === this) return shared?.keys;
    const own = { owner: this, tablet: shared.tablet, keys: shared.keys.copy() };
    this.#indexes.set(id, own);
    return own.keys;
  }

  #ownSearchIndex(id: IndexId): SearchIndex | undefined {
    const shared = this.#searchIndexes.get(id);
    if (shared === undefined || shared.owner === this) return shared;
    const own = { ...shared, owner: this, steps: [...shared.steps] };
    this.#searchIndexes.set(id, own);
    return own;
  }

  #took(...ids: readonly number[]): void {
    this.#greatestPhysicalId = Math.max(this.#greatestPhysicalId, ...ids);
  }
}

function requestKey(sessionId: string, requestId: number): string {
  return `${sessionId}|${requestId}`;
}
