import type { LiveQueryId, LiveQueryState, OpenedQuery } from "../engine/api.ts";
import type { CommitTs } from "../log/log.ts";
import { encodeU64 } from "../protocol/sync.ts";
import type { WireVersion } from "../protocol/syncServer.ts";
import { shareResult, type SharedResult } from "./results.ts";

/** The net thread's copy of one live query of the engine. `W` is whatever waits for its changes. */
export interface LiveQuery<W> {
  readonly id: LiveQueryId;
  version: number;
  journal: string | null;
  result: SharedResult;
  readonly watchers: Set<W>;
}

export interface LiveQueriesOptions {
  readonly redact: boolean;
  readonly newRequestId: () => string;
}

/** LiveQueryId → newest state and watchers. An entry lives as long as somebody watches it. */
export class LiveQueries<W> {
  readonly #options: LiveQueriesOptions;
  readonly #entries = new Map<LiveQueryId, LiveQuery<W>>();
  /** Changes of queries we have not been told the id of yet: their `openQuery` answers are on the way. */
  readonly #early = new Map<LiveQueryId, LiveQueryState>();
  #opening = 0;

  constructor(options: LiveQueriesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Call when an `openQuery` is sent, and `openEnded` when its answer has been dealt with. */
  openStarted(): void {
    this.#opening++;
  }

  openEnded(): void {
    this.#opening--;
    if (this.#opening === 0) this.#early.clear();
  }

  /** The entry of an answered `openQuery`, in the newest state we know of. */
  adopt(opened: OpenedQuery): LiveQuery<W> {
    const early = this.#early.get(opened.id);
    const state = early && early.version > opened.state.version ? early : opened.state;
    const known = this.#entries.get(opened.id);
    if (known) {
      if (state.version > known.version) this.#update(known, state);
      return known;
    }
    const entry: LiveQuery<W> = {
      id: opened.id,
      version: state.version,
      journal: state.journal,
      result: this.#share(state),
      watchers: new Set(),
    };
    this.#entries.set(entry.id, entry);
    return entry;
  }

  /** Takes a published change; null when nobody here watches the query. */
  publish(id: LiveQueryId, state: LiveQueryState): LiveQuery<W> | null {
    const entry = this.#entries.get(id);
    if (!entry) {
      if (this.#opening > 0) this.#early.set(id, state);
      return null;
    }
    if (state.version > entry.version) this.#update(entry, state);
    return entry;
  }

  unwatch(entry: LiveQuery<W>, watcher: W): void {
    entry.watchers.delete(watcher);
    if (entry.watchers.size === 0) this.#entries.delete(entry.id);
  }

  #update(entry: LiveQuery<W>, state: LiveQueryState): void {
    entry.version = state.version;
    entry.journal = state.journal;
    entry.result = this.#share(state);
  }

  #share(state: LiveQueryState): SharedResult {
    const requestId = state.result.ok ? "" : this.#options.newRequestId();
    return shareResult(state.result, state.journal, requestId, this.#options.redact);
  }
}

/** The one timestamp that all live queries show. */
export interface View {
  readonly ts: CommitTs;
  /** A version at this view's timestamp; equal ones are usually the same object. */
  version(querySet: number, identity: number): WireVersion;
}

export function viewAt(ts: CommitTs): View {
  const encoded = encodeU64(ts);
  let last: WireVersion = { querySet: 0, identity: 0, ts: encoded };
  return {
    ts,
    version(querySet, identity) {
      if (last.querySet !== querySet || last.identity !== identity)
        last = { querySet, identity, ts: encoded };
      return last;
    },
  };
}
