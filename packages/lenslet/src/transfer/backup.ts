import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import { segmentNames, segmentsFrom, settleLog } from "../log/local/cutLog.ts";
import { nodeFileSystem } from "../log/local/fileSystem.ts";
import {
  type BackupEntry,
  copyHashed,
  createWhole,
  filesBelow,
  filesFolderName,
  hashOf,
  logFolderName,
  type Manifest,
  type OnCopied,
  storeName,
  writeManifest,
} from "./backupFolder.ts";

/** Whoever keeps what is copied as it is: the running server (backupLeases.ts), or a lock when there is none. */
export interface BackupSource {
  begin(): Promise<{ readonly ts: CommitTs; readonly hasLocalFiles: boolean }>;
  /** False: the copy of the store is of no use, begin again. */
  storeCopied(): Promise<boolean>;
  /** False: what was copied may have changed meanwhile. */
  end(): Promise<boolean>;
}

export interface BackupOptions {
  readonly dataFolder: string;
  readonly target: string;
  readonly source: BackupSource;
  readonly instanceName: string;
  readonly lensletVersion: string;
  readonly takenAt: Date;
  readonly onStep: (step: string) => void;
  readonly onCopied: OnCopied;
}

/** Beside the store, the log and the stored files. Uploads under way and finished exports are not kept. */
const furtherFolders = ["external-packages"];
const furtherFiles = ["instance.json", "dev-issuer.json"];
/** The engine of the server may be replaced while the store is copied, which lets the file change. */
const attemptsMax = 5;

/** Copies a data folder, whether a server runs on it or not, into a folder that is there whole or not at all. */
export async function makeBackup(options: BackupOptions): Promise<Manifest> {
  const { dataFolder, target } = options;
  if (`${path.resolve(target)}${path.sep}`.startsWith(`${path.resolve(dataFolder)}${path.sep}`)) {
    throw new LensletError(
      "BadRequest",
      "BackupInsideData",
      `${target} is inside of the data folder. Name a place outside of it with --to.`,
    );
  }
  return await createWhole(path.resolve(target), "partial", (folder) => new Backup(options, folder).make());
}

class Backup {
  readonly #options: BackupOptions;
  readonly #folder: string;
  readonly #entries: BackupEntry[] = [];

  constructor(options: BackupOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  async make(): Promise<Manifest> {
    const { source, onStep } = this.#options;
    const { ts, hasLocalFiles } = await this.#copyStore();
    onStep("the log");
    await this.#copyLog(ts);
    onStep("files");
    for (const name of furtherFiles) await this.#copyIfExists(name);
    // After the log: what its last record refers to had been stored before.
    if (hasLocalFiles) await this.#copyFolder(`${filesFolderName}/objects`);
    for (const name of furtherFolders) await this.#copyFolder(name);
    if (!(await source.end())) throw backupDisturbed();
    // Only now: it takes as long as there is data, and the server hears nothing of us meanwhile.
    onStep("looking at the copy");
    checkStore(path.join(this.#folder, storeName), ts);
    const logTs = await this.#checkLog(ts);
    const { instanceName, lensletVersion, takenAt } = this.#options;
    const manifest = {
      instanceName,
      lensletVersion,
      takenAt: takenAt.toISOString(),
      storeTs: ts,
      logTs,
      hasFiles: hasLocalFiles,
      entries: this.#entries,
    };
    writeManifest(this.#folder, manifest);
    nodeFileSystem.syncFolder(this.#folder);
    return { formatVersion: 1, ...manifest };
  }

  async #copyStore(): Promise<{ ts: CommitTs; hasLocalFiles: boolean }> {
    const { source, dataFolder, onCopied, onStep } = this.#options;
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      onStep("the store");
      const begun = await source.begin();
      const copy = path.join(this.#folder, storeName);
      const entry = await copyHashed(path.join(dataFolder, storeName), copy, onCopied);
      if (await source.storeCopied()) {
        this.#entries.push({ path: storeName, ...entry });
        return begun;
      }
      await source.end();
      fs.rmSync(copy);
    }
    throw backupDisturbed();
  }

  /** From the record on that the store ends with. */
  async #copyLog(storeTs: CommitTs): Promise<void> {
    const { dataFolder, onCopied } = this.#options;
    const from = path.join(dataFolder, logFolderName);
    const to = path.join(this.#folder, logFolderName);
    fs.mkdirSync(to, { mode: 0o700 });
    for (const name of segmentsFrom(segmentNames(nodeFileSystem, from), storeTs)) {
      const file = path.join(from, name);
      await copyHashed(file, path.join(to, name), onCopied, fs.statSync(file).size);
    }
  }

  /** Returns the ts of the last record. */
  async #checkLog(storeTs: CommitTs): Promise<CommitTs> {
    const to = path.join(this.#folder, logFolderName);
    const { trimmedTs, lastTs } = settleLog(nodeFileSystem, to);
    if (lastTs < storeTs || trimmedTs > storeTs) {
      throw new LensletError(
        "Internal",
        "DataFolderInconsistent",
        `The store ends at ${storeTs}, but the log holds what is after ${trimmedTs} and up to ${lastTs}: files are missing from the data folder. No backup was made; restore the newest one.`,
      );
    }
    fs.rmSync(path.join(to, "log.lock"), { force: true });
    nodeFileSystem.syncFolder(to);
    for (const name of segmentNames(nodeFileSystem, to)) {
      this.#entries.push({ path: `${logFolderName}/${name}`, ...(await hashOf(path.join(to, name))) });
    }
    return lastTs;
  }

  async #copyFolder(folder: string): Promise<void> {
    for await (const name of filesBelow(path.join(this.#options.dataFolder, folder))) {
      await this.#copyIfExists(`${folder}/${name}`);
    }
  }

  /** What is not referred to any more may go while it is copied; what is, is kept (`BackupSource`). */
  async #copyIfExists(name: string): Promise<void> {
    const { dataFolder, onCopied } = this.#options;
    try {
      const entry = await copyHashed(path.join(dataFolder, name), path.join(this.#folder, name), onCopied);
      this.#entries.push({ path: name, ...entry });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** Reads the whole copy once: what is damaged on the disk is not to be found out when it is needed. */
function checkStore(file: string, ts: CommitTs): void {
  // Immutable: else SQLite would make files of its own beside it.
  const database = new DatabaseSync(`${pathToFileURL(file).href}?immutable=1`, { readOnly: true });
  try {
    const check = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    const applied = database.prepare("SELECT value FROM meta WHERE key = 'appliedTs'").get()?.["value"];
    if (check === "ok" && BigInt(String(applied ?? 0)) === ts) return;
    throw new LensletError(
      "Internal",
      "DataFileDamaged",
      `The copy of the store is damaged (${String(check)}, at ${String(applied)} instead of ${ts}). Check the disk of the data folder; the last backup that was made is still good.`,
    );
  } finally {
    database.close();
  }
}

function backupDisturbed(): LensletError {
  return new LensletError(
    "Conflict",
    "BackupDisturbed",
    "The server did not keep what was being copied as it was: it ended, was started again or was busy for too long. Nothing was written; make the backup again.",
  );
}
