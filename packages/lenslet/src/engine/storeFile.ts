import { type Random, randomHex } from "../base/random.ts";
import type { CommitTs } from "../log/log.ts";
import type { Store } from "../store/store.ts";
import type { Committer } from "./committer.ts";

/** Answer of "store.hold". */
export interface StoreHold {
  readonly hold: string;
  /** What the file is the store of. */
  readonly ts: string;
}

/** What the server asks of the file that the store is: operations "store.checkpoint", "store.hold", "store.release". */
export class StoreFile {
  readonly #committer: Committer;
  readonly #store: Store;
  readonly #random: Random;
  readonly #holds = new Set<string>();

  constructor(options: { readonly committer: Committer; readonly store: Store; readonly random: Random }) {
    this.#committer = options.committer;
    this.#store = options.store;
    this.#random = options.random;
  }

  checkpoint(): CommitTs {
    return this.#committer.checkpoint();
  }

  /** The file does not change until `release`. */
  hold(): StoreHold {
    const ts = this.#committer.holdFile();
    const hold = randomHex(this.#random, 16);
    this.#holds.add(hold);
    return { hold, ts: String(ts) };
  }

  /** False: the file may have changed meanwhile, because the engine was replaced. */
  release(hold: string): boolean {
    if (!this.#holds.delete(hold)) return false;
    this.#store.releaseFile();
    return true;
  }
}
