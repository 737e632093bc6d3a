import type { SystemFunction } from "./systemFunction.ts";
import { fileRemovalRows, oldestRows } from "./systemRows.ts";

const removalsPerBatch = 100;

/** Queries that the server itself keeps open, so that it learns of work when that is durable. */
export const serverFunctions: Readonly<Record<string, SystemFunction>> = {
  /** `{_id, key}` of the oldest entries of `_file_removals`; for files/sweeper.ts. */
  "files:removals": (tx) =>
    oldestRows(tx, fileRemovalRows, removalsPerBatch).map(({ idText, value }) => ({
      _id: idText,
      key: value.key,
    })),
};
