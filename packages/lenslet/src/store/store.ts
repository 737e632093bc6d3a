import type { CommitTs } from "../log/log.ts";
import type { InternalId } from "../values/id.ts";
import type { IndexKey } from "../values/key.ts";
import type { ValueObject } from "../values/value.ts";
import type { SearchEntry, SearchEntryChange, SearchReader } from "./searchReader.ts";
import type { VectorEntry, VectorEntryChange, VectorReader } from "./vectorReader.ts";

/** Physical number of a table in the store; unique across namespaces and never reused. */
export type TabletId = number & { readonly __tabletId?: true };
/** Physical number of an index in the store; unique across tables and never reused. by_id and by_creation_time have one too. */
export type IndexId = number & { readonly __indexId?: true };
/** "" is the app; a component instance is named by the id text of its `_components` document. */
export type Namespace = string & { readonly __namespace?: true };

/** An immutable version of a document. */
export interface StoredDocument {
  readonly id: InternalId;
  /** Id as user code sees it. */
  readonly idText: string;
  /** Canonical Convex-encoded JSON text (fields sorted), `_id` and `_creationTime` included. */
  readonly json: string;
  /** Decoded once, on first use. Must not be mutated. */
  readonly value: ValueObject;
  /** values/size.ts `sizeOf` of `value`, computed once. */
  readonly size: number;
}

/** One document's change in a commit, with its keys in every index of its table. */
export interface DocumentWrite {
  readonly tablet: TabletId;
  readonly id: InternalId;
  readonly idText: string;
  readonly before: StoredDocument | null;
  readonly after: StoredDocument | null;
  /** One entry for each index whose key exists before or after; equal keys are listed too (before === after). */
  readonly keys: readonly IndexKeyChange[];
  /** One for each text search index of the table; absent when it has none. */
  readonly search?: readonly SearchEntryChange[];
  /** One for each vector index that the write changes; absent when there is none. */
  readonly vectors?: readonly VectorEntryChange[];
}

/** Every key ends with the 16 bytes of the document's internal id; by_id's key is nothing else. */
export interface IndexKeyChange {
  readonly index: IndexId;
  readonly before: IndexKey | null;
  readonly after: IndexKey | null;
}

/** What the store has to know of a vector index: nothing of it ever changes. */
export interface VectorIndexShape {
  readonly dimensions: number;
  /** How many there are. */
  readonly filterFields: number;
}

export interface ScanRow {
  readonly key: IndexKey;
  readonly document: StoredDocument;
}

/** A mutation's answer, kept so that a re-sent request is answered without running again. */
export interface SessionRequest {
  readonly sessionId: string;
  readonly requestId: number;
  readonly ts: CommitTs;
  /** Convex-encoded JSON text of the result. */
  readonly resultJson: string;
  readonly logLinesJson: string;
}

/**
 * The view of the log that functions read. One owner, one thread, no locks: reads see every applied commit.
 * Nothing it holds is the truth; `persist` may only be called when the log is durable up to `appliedTs()`.
 */
export interface Store {
  /** ts of the newest applied commit; after a reopen, of the newest persisted one. 0n when empty. */
  appliedTs(): CommitTs;
  /**
   * Why this store cannot be used any more (disk full, I/O error), or null. What it holds is then not to be trusted, and
   * everything else throws: whoever opened it has to open it anew and apply again what the log has beyond `appliedTs`.
   */
  failure(): unknown;

  /**
   * Creation is idempotent. `byId` names the scan of the documents in id order: it has no entries of its own, so
   * `createIndex` is called for every other index of the tablet (by_creation_time included) but not for it.
   * Dropping a tablet drops its indexes; dropping what does not exist does nothing.
   */
  createTablet(tablet: TabletId, byId: IndexId): void;
  dropTablet(tablet: TabletId): void;
  createIndex(index: IndexId, tablet: TabletId): void;
  createSearchIndex(index: IndexId, tablet: TabletId): void;
  createVectorIndex(index: IndexId, tablet: TabletId, shape: VectorIndexShape): void;
  /** Of any kind. */
  dropIndex(index: IndexId): void;
  /** Greatest TabletId or IndexId ever created here, dropped ones included; 0 when empty. Physical ids are never reused. */
  greatestPhysicalId(): number;

  /** Applies one commit; `ts` must exceed `appliedTs()`. */
  applyCommit(ts: CommitTs, writes: readonly DocumentWrite[], request: SessionRequest | null): void;
  /** Adds entries of an index that is being backfilled. Existing keys are left alone. */
  backfillIndex(
    index: IndexId,
    entries: readonly { readonly key: IndexKey; readonly id: InternalId }[],
  ): void;
  /** The same for a text search index; documents that it has already are left alone. */
  backfillSearchIndex(
    index: IndexId,
    documents: readonly { readonly id: InternalId; readonly entry: SearchEntry }[],
  ): void;
  backfillVectorIndex(
    index: IndexId,
    documents: readonly { readonly id: InternalId; readonly entry: VectorEntry }[],
  ): void;

  get(tablet: TabletId, id: InternalId): StoredDocument | null;
  /**
   * Up to `limit` rows of an index whose keys begin with `prefix`, in key order or reversed. The prefix is of complete
   * parts, keys are as values/key.ts makes them, and the index is not by_id. Small answers are kept in the heap.
   */
  lookUp(index: IndexId, tablet: TabletId, prefix: IndexKey, order: "asc" | "desc", limit: number): ScanRow[];
  /**
   * Up to `limit` rows of an index with lower <= key < upper (`upper` null: to the end), in key order or reversed.
   */
  scan(
    index: IndexId,
    tablet: TabletId,
    lower: IndexKey,
    upper: IndexKey | null,
    order: "asc" | "desc",
    limit: number,
  ): ScanRow[];
  /** A text search index, to be read before the next change. */
  searchReader(index: IndexId): SearchReader;
  /** The same for a vector index; null if there is none. */
  vectorReader(index: IndexId): VectorReader | null;
  count(tablet: TabletId): number;
  sessionRequest(sessionId: string, requestId: number): SessionRequest | null;
  /** Deletes dedup records with ts < before. */
  expireSessionRequests(before: CommitTs): void;

  /** Makes everything applied so far survive a crash of the process. See the rule above. */
  persist(): void;
  /**
   * Persists, and waits until the disk has it. Returns the ts up to which the log may be trimmed; not up to what
   * `persist` alone has written, for power loss may take that back to the last checkpoint. That is `appliedTs`, or while
   * the file is held what it was when that began.
   */
  checkpoint(): CommitTs;
  /**
   * Checkpoints, and leaves the file alone until `releaseFile`: it can be copied meanwhile, and is the store as it was
   * at the returned ts. Changes collect beside it. Who holds it while others do gets the file that they hold.
   */
  holdFile(): CommitTs;
  releaseFile(): void;
  close(): void;
}
