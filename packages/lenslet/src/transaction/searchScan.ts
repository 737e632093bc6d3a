import { badRequest } from "../base/errors.ts";
import { keyOfHit } from "../search/hitKey.ts";
import { searchResultsMax } from "../search/searchDocuments.ts";
import type { Hit } from "../search/topHits.ts";
import type { ScanRow, StoredDocument } from "../store/store.ts";
import type { InternalId } from "../values/id.ts";
import type { IndexKey } from "../values/key.ts";
import { prefetchRowsDefault, type RowScan } from "./indexScan.ts";
import type { KeyInterval } from "./readSet.ts";

export interface SearchResult {
  /** Best first. */
  readonly hits: readonly Hit[];
  readonly documentOf: (id: InternalId) => StoredDocument;
}

export interface SearchSource {
  /** The best `limit` hits, with the writes made so far. */
  search(limit: number): SearchResult;
}

export interface SearchRecorder {
  /** The search is read. May throw a limit error. */
  search(): void;
  /** As `ScanRecorder.row`. */
  row(row: ScanRow): void;
}

/**
 * The hits of a search as rows, whose keys (search/hitKey.ts) ascend. A few are fetched first; whoever wants more gets
 * all that there may be: the first 1024. Asking for one beyond these fails, as the reference does.
 */
export class SearchScan implements RowScan {
  readonly #interval: KeyInterval;
  readonly #source: SearchSource;
  readonly #recorder: SearchRecorder;
  #limit: number;
  #rows: readonly ScanRow[] = [];
  #next = 0;
  #last: IndexKey | null = null;
  #ending: "more" | "exhausted" | "cut" | null = null;

  constructor(
    interval: KeyInterval,
    source: SearchSource,
    recorder: SearchRecorder,
    batchRows: number = prefetchRowsDefault,
  ) {
    this.#interval = interval;
    this.#source = source;
    this.#recorder = recorder;
    // How many hits lie before the interval is not known.
    this.#limit =
      interval.lower === "" ? Math.max(1, Math.min(batchRows, searchResultsMax)) : searchResultsMax;
  }

  next(): ScanRow | null {
    if (this.#ending === null) {
      this.#recorder.search();
      this.#fetch();
    }
    if (this.#next === this.#rows.length && this.#ending === "more") {
      this.#limit = searchResultsMax;
      this.#fetch();
    }
    const row = this.#rows[this.#next];
    if (row === undefined) {
      if (this.#ending === "cut") throw tooManyScanned();
      return null;
    }
    this.#next += 1;
    this.#last = row.key;
    this.#recorder.row(row);
    return row;
  }

  #fetch(): void {
    const { hits, documentOf } = this.#source.search(this.#limit);
    const { lower, upper } = this.#interval;
    const rows: ScanRow[] = [];
    this.#ending = hits.length < this.#limit ? "exhausted" : this.#limit < searchResultsMax ? "more" : "cut";
    for (const hit of hits) {
      const key = keyOfHit(hit);
      if (upper !== null && key >= upper) {
        this.#ending = "exhausted";
        break;
      }
      if (key < lower || (this.#last !== null && key <= this.#last)) continue;
      rows.push({ key, document: documentOf(hit.id) });
    }
    this.#rows = rows;
    this.#next = 0;
  }
}

function tooManyScanned(): Error {
  return badRequest(
    "SearchQueryScannedTooManyDocumentsError",
    `Search query scanned too many documents (fetched ${searchResultsMax}). Consider using a smaller limit, paginating the query, or using a filter field to limit the number of documents pulled from the search index.`,
  );
}
