import fs from "node:fs";
import path from "node:path";
import { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import { cutLog, segmentNames, settleLog } from "../log/local/cutLog.ts";
import { nodeFileSystem } from "../log/local/fileSystem.ts";
import {
  backupDamaged,
  copyHashed,
  createWhole,
  filesBelow,
  filesFolderName,
  hashOf,
  logFolderName,
  type Manifest,
  type OnCopied,
  readManifest,
} from "./backupFolder.ts";

/** In a restored data folder until its server has told whoever follows its log that this is another history. */
export const restoredName = "restored.json";

export interface RestoreOptions {
  readonly backup: string;
  readonly dataFolder: string;
  /** A data folder whose log goes on where the backup ends. */
  readonly logOf: string | null;
  /** The state after the last commit at or before it; null: the newest there is. */
  readonly at: CommitTs | null;
  /** As a timestamp; `at` may not be after it. */
  readonly nowTs: CommitTs;
  readonly onStep: (step: string) => void;
  readonly onCopied: OnCopied;
  /** Replays the log of a data folder into its store. Returns the keys of its stored files that are to be there. */
  readonly replay: (dataFolder: string) => Promise<readonly string[]>;
}

export interface Restored {
  readonly manifest: Manifest;
  /** Of the last commit. */
  readonly ts: CommitTs;
  /** Stored files whose contents neither the backup nor the other data folder has. */
  readonly missingFiles: number;
}

/** Makes a data folder from a backup, whole or not at all. The backup is only read. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const manifest = readManifest(options.backup);
  checkTime(options, manifest);
  return await createWhole(path.resolve(options.dataFolder), "restoring", async (folder) => {
    const { onStep, logOf, at } = options;
    onStep("files of the backup");
    await copyEntries(options, manifest, folder);
    const logFolder = path.join(folder, logFolderName);
    fs.mkdirSync(logFolder, { recursive: true });
    if (logOf !== null) await continueFrom(options, logOf, folder);
    onStep("commits after the snapshot");
    const { lastTs } =
      at === null ? settleLog(nodeFileSystem, logFolder) : cutLog(nodeFileSystem, logFolder, at);
    if (lastTs < manifest.storeTs) throw backupDamaged(logFolder, "it ends before the store does");
    const keys = await options.replay(folder);
    const missingFiles = manifest.hasFiles ? countMissing(folder, keys) : 0;
    fs.writeFileSync(path.join(folder, restoredName), `${JSON.stringify({ ts: String(lastTs) })}\n`, {
      flush: true,
    });
    return { manifest, ts: lastTs, missingFiles };
  });
}

function checkTime({ at, logOf, nowTs }: RestoreOptions, manifest: Manifest): void {
  if (at === null) return;
  if (at < manifest.storeTs) {
    throw new LensletError(
      "BadRequest",
      "BackupTooNewForTime",
      `This backup begins at ${timeOf(manifest.storeTs)}. For ${timeOf(at)} an earlier backup is needed.`,
    );
  }
  const takenTs = BigInt(Date.parse(manifest.takenAt)) * 1_000_000n;
  const endTs = takenTs > manifest.logTs ? takenTs : manifest.logTs;
  if (logOf === null && at > endTs) {
    throw new LensletError(
      "BadRequest",
      "BackupTooOldForTime",
      `This backup ends at ${timeOf(endTs)} and knows nothing of ${timeOf(at)}. Name the data folder that went on after it with --log-of, or a later backup.`,
    );
  }
  if (at > nowTs) {
    throw new LensletError("BadRequest", "TimeInFuture", `${timeOf(at)} is still to come.`);
  }
}

async function copyEntries(
  { backup, onCopied }: RestoreOptions,
  manifest: Manifest,
  folder: string,
): Promise<void> {
  for (const entry of manifest.entries) {
    const source = path.join(backup, ...entry.path.split("/"));
    if (!fs.existsSync(source)) throw backupDamaged(source, "the file is missing");
    const target = path.join(folder, ...entry.path.split("/"));
    const { bytes, sha256 } = await copyHashed(source, target, onCopied);
    if (bytes !== entry.bytes) throw backupDamaged(source, `it has ${bytes} bytes instead of ${entry.bytes}`);
    if (sha256 !== entry.sha256) throw backupDamaged(source, "its contents have changed (SHA-256)");
  }
}

/** Takes log and stored files of a data folder that went on from where the backup was made, or goes on still. */
async function continueFrom(options: RestoreOptions, logOf: string, folder: string): Promise<void> {
  const { onStep, onCopied } = options;
  onStep("commits after the backup");
  const from = path.join(logOf, logFolderName);
  const to = path.join(folder, logFolderName);
  const [first] = segmentNames(nodeFileSystem, to);
  const last = segmentNames(nodeFileSystem, to).at(-1);
  if (!fs.existsSync(from)) throw notContinued(logOf, "it has no log");
  const names = segmentNames(nodeFileSystem, from).filter((name) => first === undefined || name >= first);
  if (last !== undefined && !names.includes(last)) {
    throw notContinued(logOf, "it is of another deployment, or its log has forgotten that time already");
  }
  for (const name of names) {
    const target = path.join(to, name);
    const source = path.join(from, name);
    if (fs.existsSync(target)) {
      // What the backup has must be the beginning of what the other folder has.
      const kept = await hashOf(target);
      fs.rmSync(target);
      const beginning = await copyHashed(source, target, () => undefined, kept.bytes);
      if (beginning.sha256 !== kept.sha256) throw notContinued(logOf, "its log is another one");
      fs.rmSync(target);
    }
    await copyHashed(source, target, onCopied, fs.statSync(source).size);
  }
  onStep("files that were stored after the backup");
  const objects = path.join(logOf, filesFolderName, "objects");
  for await (const name of filesBelow(objects)) {
    const target = path.join(folder, filesFolderName, "objects", ...name.split("/"));
    if (!fs.existsSync(target)) await copyHashed(path.join(objects, name), target, onCopied);
  }
}

function countMissing(folder: string, keys: readonly string[]): number {
  const objects = path.join(folder, filesFolderName, "objects");
  return keys.filter((key) => !fs.existsSync(path.join(objects, key.slice(0, 2), key))).length;
}

function notContinued(folder: string, cause: string): LensletError {
  return new LensletError(
    "BadRequest",
    "LogNotContinued",
    `The log of ${folder} does not go on where this backup ends: ${cause}. Nothing was restored.`,
  );
}

export function timeOf(ts: CommitTs): string {
  // Before anything was ever pushed or written.
  if (ts === 0n) return "its beginning";
  return new Date(Number(ts / 1_000_000n)).toISOString();
}
