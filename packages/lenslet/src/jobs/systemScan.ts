import { assert } from "../base/assert.ts";
import type { DatabaseIndex, Table } from "../store/catalog.ts";
import type { StoredDocument } from "../store/store.ts";
import type { SystemTableDefinition } from "../store/systemTables.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeKeyPart, type IndexKey, indexKeyOf, prefixEnd } from "../values/key.ts";
import type { Value } from "../values/value.ts";

/** One of the server's own tables, which live in the root namespace. */
export function rootTable(tx: Transaction, definition: SystemTableDefinition): Table {
  const table = tx.table("", definition.name);
  assert(table !== null, `the system table ${definition.name} exists`);
  return table;
}

/** Documents of a table of the root namespace whose first indexed fields have these values, in index order. */
export function scanPrefix(
  tx: Transaction,
  definition: SystemTableDefinition,
  indexName: string,
  prefix: readonly Value[],
): Generator<StoredDocument, void, undefined> {
  const lower = prefix.map(encodeKeyPart).join("");
  return tx.scan(indexOf(tx, definition, indexName), lower, prefixEnd(lower), "asc");
}

/** The same with the key of each document, beginning behind a key. */
export function* scanBehind(
  tx: Transaction,
  definition: SystemTableDefinition,
  indexName: string,
  prefix: readonly Value[],
  behind: IndexKey | null,
): Generator<{ readonly key: IndexKey; readonly document: StoredDocument }, void, undefined> {
  const start = prefix.map(encodeKeyPart).join("");
  const index = indexOf(tx, definition, indexName);
  const lower = behind !== null && behind.startsWith(start) ? `${behind}\0` : start;
  for (const document of tx.scan(index, lower, prefixEnd(start), "asc")) {
    yield { key: indexKeyOf(document.value, index.fields, document.id), document };
  }
}

function indexOf(tx: Transaction, definition: SystemTableDefinition, name: string): DatabaseIndex {
  const index = rootTable(tx, definition).indexes.find((candidate) => candidate.name === name);
  assert(index !== undefined, `the index ${definition.name}.${name} exists`);
  return index;
}
