import type { SystemFunction } from "./systemFunction.ts";
import {
  exportRows,
  fileContentsRows,
  fileRemovalRows,
  importRows,
  oldestRows,
  rowsOf,
} from "./systemRows.ts";

const removalsPerBatch = 100;
const contentsPerBatch = 16;

/** Queries that the server itself keeps open, so that it learns of work when that is durable. */
export const serverFunctions: Readonly<Record<string, SystemFunction>> = {
  /** `{_id, key}` of the oldest entries of `_file_removals`; for files/sweeper.ts. */
  "files:removals": (tx) =>
    oldestRows(tx, fileRemovalRows, removalsPerBatch).map(({ idText, value }) => ({
      _id: idText,
      key: value.key,
    })),
  /** Keys of contents that are still in the database. */
  "files:contents": (tx) => [
    ...new Set(oldestRows(tx, fileContentsRows, contentsPerBatch).map(({ value }) => value.key)),
  ],
  "transfers:requestedExports": (tx) =>
    rowsOf(tx, exportRows)
      .filter(({ value }) => value.state === "requested")
      .map(({ idText, value }) => ({ id: idText, includeStorage: value.format.include_storage })),
  "transfers:waitingImports": (tx) =>
    rowsOf(tx, importRows)
      .filter(({ value }) => value.state.state === "uploaded" || value.state.state === "in_progress")
      .map(({ idText, value }) => ({
        id: idText,
        state: value.state.state,
        format: value.format.format,
        table: value.format.table ?? null,
        mode: value.mode,
        componentPath: value.component_path,
        key: value.object_key,
        rowsWritten: value.rows_written ?? 0,
      })),
};
