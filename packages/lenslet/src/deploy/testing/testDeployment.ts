import { createHash } from "node:crypto";
import { Backfiller } from "../backfill.ts";
import type { Analysis } from "../analysisTypes.ts";
import { plainAppDefinition } from "../definition.ts";
import { PendingPushes } from "../pendingPushes.ts";
import { parseSchemaJson } from "../parseSchema.ts";
import { noteMismatches } from "../schemaState.ts";
import { CatalogState, applyEffects } from "../../store/catalogState.ts";
import { openSqliteStore } from "../../store/sqliteStore.ts";
import { Transaction } from "../../transaction/transaction.ts";
import { newInternalId } from "../../values/id.ts";

/** For tests: a store with the few lines of an engine that a push needs. */
export class TestDeployment {
  readonly store = openSqliteStore(":memory:");
  readonly random = { bytes: (length: number) => this.#nextBytes(length) };
  readonly clock = { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs };
  readonly pending = new PendingPushes({ random: this.random });
  backfiller: Backfiller;
  catalog = CatalogState.load(this.store);
  commits = 0;
  #nowMs = 1_700_000_000_000;
  #ts = 1_700_000_000_000_000_000n;
  #draws = 0;

  readonly #options: { readonly sliceDocumentsMax?: number };

  constructor(options: { readonly sliceDocumentsMax?: number } = {}) {
    this.#options = options;
    this.backfiller = new Backfiller({ store: this.store, ...options });
  }

  /** What is in memory only is gone, as after the end of the server. */
  restart(): void {
    this.backfiller = new Backfiller({ store: this.store, ...this.#options });
    this.catalog = CatalogState.load(this.store);
  }

  /** Runs in a transaction and commits it; a throw leaves nothing. Schema violations end the pending push. */
  commit<T>(body: (tx: Transaction) => T): T {
    const tx = this.begin();
    const result = body(tx);
    noteMismatches(tx);
    this.#ts += 1_000_000n;
    const writes = tx.finish(this.#ts);
    if (writes.length > 0) {
      const { catalog, effects } = this.catalog.apply(writes);
      applyEffects(this.store, effects);
      this.store.applyCommit(this.#ts, writes, null);
      this.catalog = catalog;
      this.commits += 1;
    }
    return result;
  }

  begin(): Transaction {
    this.#nowMs += 1;
    return new Transaction({
      store: this.store,
      catalog: this.catalog,
      snapshotTs: this.store.appliedTs(),
      beginMs: this.#nowMs,
      newInternalId: () => newInternalId(this.random, this.#nowMs),
      readOnly: false,
    });
  }

  /** Steps until idle; returns how many slices there were. */
  backfill(): number {
    for (let slices = 0; ; slices++) {
      if (this.commit((tx) => this.backfiller.step(tx)) === "idle") return slices;
    }
  }

  #nextBytes(length: number): Uint8Array {
    this.#draws += 1;
    return createHash("shake256", { outputLength: length }).update(String(this.#draws)).digest();
  }
}

/** For tests: an analysis of an app that has nothing but this schema. */
export function schemaOnly(schema: unknown): Analysis {
  return {
    definition: plainAppDefinition,
    schema: schema === null ? null : parseSchemaJson(schema),
    auth: [],
    modules: {},
    components: {},
  };
}
