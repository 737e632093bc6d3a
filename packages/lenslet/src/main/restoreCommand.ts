import fs from "node:fs";
import path from "node:path";
import type { EngineApi } from "../engine/api.ts";
import { Committer } from "../engine/committer.ts";
import { openLocalLog } from "../log/local/localLog.ts";
import { LocalLogThread } from "../log/local/logThread.ts";
import { CatalogState } from "../store/catalogState.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import type { Store } from "../store/store.ts";
import { fileContentsTable, filesTable, type SystemTableDefinition } from "../store/systemTables.ts";
import { logFolderName, storeName } from "../transfer/backupFolder.ts";
import { restoreBackup, restoredName, timeOf } from "../transfer/restore.ts";
import { Progress } from "./progress.ts";
import { realClock } from "./realOs.ts";

export interface RestoreFlags {
  readonly data: string;
  readonly at?: bigint;
  readonly logOf?: string;
  readonly json?: true;
}

export async function restore(backup: string, flags: RestoreFlags): Promise<void> {
  const dataFolder = path.resolve(flags.data);
  const progress = new Progress();
  try {
    const restored = await restoreBackup({
      backup: path.resolve(backup),
      dataFolder,
      logOf: flags.logOf === undefined ? null : path.resolve(flags.logOf),
      at: flags.at ?? null,
      nowTs: BigInt(Math.ceil(realClock.nowMs())) * 1_000_000n,
      onStep: progress.step,
      onCopied: progress.copied,
      replay: replayLog,
    });
    progress.end();
    const { manifest, ts, missingFiles } = restored;
    process.stderr.write(
      `lenslet: restored ${manifest.instanceName} as of ${timeOf(ts)}, its last change${flags.at === undefined ? "" : ` before ${timeOf(flags.at)}`}\n`,
    );
    if (missingFiles > 0) {
      process.stderr.write(
        `lenslet: warn: ${missingFiles} stored files are in the database, but their contents had been deleted since\n`,
      );
    }
    const summary = {
      dataFolder,
      instanceName: manifest.instanceName,
      stateOf: timeOf(ts),
      commitTs: String(ts),
      backupOf: manifest.takenAt,
      missingFiles,
    };
    process.stdout.write(flags.json === true ? `${JSON.stringify(summary)}\n` : `${dataFolder}\n`);
  } finally {
    progress.end();
  }
}

/** What a server does when it opens a data folder; with everything in the store's file afterwards. */
async function replayLog(dataFolder: string): Promise<readonly string[]> {
  const thread = await LocalLogThread.start({
    folder: path.join(dataFolder, logFolderName),
    verify: "tail",
  });
  const log = openLocalLog(thread.connect(), { clock: realClock });
  const store = openSqliteStore(path.join(dataFolder, storeName));
  try {
    const committer = await Committer.open(
      { store, log, clock: realClock, boot: "restore" },
      CatalogState.load(store),
    );
    committer.checkpoint();
    const inDatabase = new Set(keysIn(store, fileContentsTable));
    return keysIn(store, filesTable).filter((key) => !inDatabase.has(key));
  } finally {
    store.close();
    await log.close();
    await thread.close();
  }
}

function keysIn(store: Store, { tablet, byId }: SystemTableDefinition): string[] {
  const keys: string[] = [];
  const rowsMax = 1000;
  for (let from = ""; ;) {
    const rows = store.scan(byId, tablet, from, null, "asc", rowsMax);
    for (const { document } of rows) {
      const { key } = document.value;
      if (typeof key === "string") keys.push(key);
    }
    const last = rows.at(-1);
    if (rows.length < rowsMax || last === undefined) return keys;
    from = `${last.key}\0`;
  }
}

/**
 * The first start of a server on a restored folder: its log goes on differently from what others may have seen of it, so
 * streaming exports and data syncs begin anew.
 */
export async function finishRestore(engine: EngineApi, dataFolder: string): Promise<void> {
  const file = path.join(dataFolder, restoredName);
  if (!fs.existsSync(file)) return;
  await engine.system("stream.breakAll", "{}");
  fs.rmSync(file);
}
