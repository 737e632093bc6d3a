import { primaryKeyIndexName } from "../deploy/primaryKeys.ts";
import type { DatabaseIndex, SearchIndex, VectorIndex } from "../store/catalog.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";

/** Answer of `/api/get_indexes` (http-api.md §9). */
export function describeIndexes(tx: Transaction, namespace: Namespace): { indexes: unknown[] } {
  const indexes: unknown[] = [];
  for (const table of tx.catalog().tables(namespace)) {
    if (table.system) continue;
    for (const index of [...table.indexes, ...table.searchIndexes, ...table.vectorIndexes]) {
      if (index === table.byId || index === table.byCreationTime) continue;
      if (index.name === primaryKeyIndexName) continue;
      indexes.push({
        table: table.name,
        name: index.name,
        fields: fieldsOf(index),
        backfill: { state: index.state === "backfilling" ? "in_progress" : "done" },
        staged: index.staged,
      });
    }
  }
  return { indexes };
}

function fieldsOf(index: DatabaseIndex | SearchIndex | VectorIndex): unknown {
  if ("fields" in index) return index.fields.map((path) => path.join("."));
  const filterFields = index.filterFields.map((path) => path.join("."));
  if ("searchField" in index) return { searchField: index.searchField.join("."), filterFields };
  const { dimensions, vectorField } = index;
  return { dimensions, vectorField: vectorField.join("."), filterFields };
}
