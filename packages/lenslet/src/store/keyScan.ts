import type { SQLOutputValue } from "node:sqlite";
import { assert } from "../base/assert.ts";
import { bytesToKey, keyToBytes, type IndexKey } from "../values/key.ts";
import { type SqliteDatabase, Statement } from "./sqliteDatabase.ts";

type Order = "asc" | "desc";

/** Reads ranges of a BLOB primary key. Documents are fetched one by one afterwards: they are mostly in the cache. */
export class KeyScan {
  readonly #bounded: Record<Order, Statement>;
  readonly #open: Record<Order, Statement>;

  constructor(database: SqliteDatabase, table: string, column: string) {
    const select = (upper: string, order: Order): Statement =>
      new Statement(
        database,
        `SELECT ${column} FROM ${table} WHERE ${column} >= ?${upper} ORDER BY ${column} ${order} LIMIT ?`,
      );
    this.#bounded = { asc: select(` AND ${column} < ?`, "asc"), desc: select(` AND ${column} < ?`, "desc") };
    this.#open = { asc: select("", "asc"), desc: select("", "desc") };
  }

  /** Up to `limit` keys with lower <= key < upper; `upper` null means no upper bound. */
  keys(lower: IndexKey, upper: IndexKey | null, order: Order, limit: number): IndexKey[] {
    const rows = (upper === null
      ? this.#open[order].use().all(keyToBytes(lower), limit)
      : this.#bounded[order]
          .use()
          .all(keyToBytes(lower), keyToBytes(upper), limit)) as unknown as SQLOutputValue[][];
    return rows.map(([bytes]) => {
      assert(bytes instanceof Uint8Array, "keys are stored as BLOBs");
      return bytesToKey(bytes);
    });
  }
}
