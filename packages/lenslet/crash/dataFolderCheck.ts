import fs from "node:fs";
import path from "node:path";
import { tempFolder } from "../../../conformance/support/tempFolder.ts";
import { Committer } from "../src/engine/committer.ts";
import { LocalLogThread } from "../src/log/local/logThread.ts";
import { openLocalLog } from "../src/log/local/localLog.ts";
import { CatalogState } from "../src/store/catalogState.ts";
import { realClock } from "../src/main/realOs.ts";
import { openSqliteStore } from "../src/store/sqliteStore.ts";
import type { IndexId, ScanRow, Store, TabletId } from "../src/store/store.ts";
import { indexKeyOf } from "../src/values/key.ts";

interface OpenedFolder {
  readonly store: Store;
  readonly catalog: CatalogState;
}

/**
 * Opens a copy of a data folder as the server does and compares it with a store that is built anew from the whole log:
 * every table and every index of both must hold the same, and each index what a rescan of its table gives. A log that
 * has been trimmed rebuilds nothing: then the indexes are all there is to check.
 */
export async function checkDataFolder(dataFolder: string): Promise<string[]> {
  const copy = tempFolder("copy");
  fs.cpSync(dataFolder, copy, { recursive: true });
  const thread = await LocalLogThread.start({ folder: path.join(copy, "log"), verify: "all" });
  const log = openLocalLog(thread.connect(), { clock: realClock });
  const kept = openSqliteStore(path.join(copy, "store.sqlite"));
  const rebuilt = openSqliteStore(":memory:");
  try {
    const openFolder = async (store: Store): Promise<OpenedFolder> => {
      const options = { store, log, clock: realClock, boot: "check", answeredTs: null };
      const committer = await Committer.open(options, CatalogState.load(store));
      return { store, catalog: committer.catalog };
    };
    const keptState = await openFolder(kept);
    // What the log has forgotten is in the store alone.
    if (log.trimmedTs() > 0n) return checkIndexes("the store", keptState);
    const rebuiltState = await openFolder(rebuilt);
    return [
      ...checkIndexes("the store", keptState),
      ...checkIndexes("the rebuilt store", rebuiltState),
      ...difference(keptState, rebuiltState),
    ];
  } finally {
    kept.close();
    rebuilt.close();
    await log.close();
    await thread.close();
  }
}

function checkIndexes(name: string, { store, catalog }: OpenedFolder): string[] {
  const violations: string[] = [];
  for (const index of catalog.databaseIndexes()) {
    const table = catalog.tableByTablet(index.tablet);
    if (table === null || index.state === "backfilling") continue;
    const where = `${name}: ${table.name}.${index.name}`;
    const documents = scanAll(store, table.byId.id, table.tablet).map(({ document }) => document);
    const expected = documents
      .map((document) => indexKeyOf(document.value, index.fields, document.id))
      .toSorted(compareText);
    const found = scanAll(store, index.id, table.tablet).map(({ key }) => key);
    if (found.some((key, i) => key !== expected[i]) || found.length !== expected.length)
      violations.push(
        `${where} has ${found.length} entries that a rescan of its ${expected.length} documents does not give`,
      );
    if (store.count(table.tablet) !== documents.length)
      violations.push(`${where}: the count is ${store.count(table.tablet)} of ${documents.length}`);
  }
  return violations;
}

function difference(kept: OpenedFolder, rebuilt: OpenedFolder): string[] {
  const violations: string[] = [];
  if (kept.store.appliedTs() !== rebuilt.store.appliedTs())
    violations.push(`the store is at ${kept.store.appliedTs()}, the log at ${rebuilt.store.appliedTs()}`);
  const tables = new Set([...kept.catalog.databaseIndexes()].map(({ tablet }) => tablet));
  for (const table of [...tables].flatMap((tablet) => kept.catalog.tableByTablet(tablet) ?? [])) {
    const rows = (store: Store) =>
      scanAll(store, table.byId.id, table.tablet).map(({ document }) => document.json);
    const [own, other] = [rows(kept.store), rows(rebuilt.store)];
    if (own.length !== other.length || own.some((json, i) => json !== other[i]))
      violations.push(
        `${table.name} differs between the store (${own.length}) and the log (${other.length})`,
      );
  }
  return violations;
}

function scanAll(store: Store, index: IndexId, tablet: TabletId): ScanRow[] {
  return store.scan(index, tablet, "", null, "asc", Number.MAX_SAFE_INTEGER);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
