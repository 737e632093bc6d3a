import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { LensletError } from "../base/errors.ts";
import { nodeFileSystem } from "../log/local/fileSystem.ts";

/**
 * A backup is a folder: the data folder's `instance.json`, `store.sqlite` as it was at `storeTs`, `log/` from there to
 * `logTs`, the stored files, installed packages, and `manifest.json`, which is written last and names every file with
 * its size and SHA-256.
 */
export const manifestName = "manifest.json";
export const storeName = "store.sqlite";
export const logFolderName = "log";
export const filesFolderName = "files";
const formatVersion = 1;

const timestamp = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform(BigInt);
const manifestSchema = z.object({
  formatVersion: z.number().int(),
  instanceName: z.string(),
  lensletVersion: z.string(),
  takenAt: z.string().refine((text) => !Number.isNaN(Date.parse(text)), "a date is needed"),
  storeTs: timestamp,
  logTs: timestamp,
  /** False: they are in S3, and stay there. */
  hasFiles: z.boolean(),
  entries: z.array(
    z.object({
      path: z.string().refine(isInside, "a path inside of the backup is needed"),
      bytes: z.number().int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
export type Manifest = z.output<typeof manifestSchema>;
export type BackupEntry = Manifest["entries"][number];

/** With "/" on every system. */
function isInside(text: string): boolean {
  const parts = text.split(/[/\\]/);
  return /^[^/]+(\/[^/]+)*$/.test(text) && !parts.includes(".") && !parts.includes("..");
}

export function writeManifest(folder: string, manifest: Omit<Manifest, "formatVersion">): void {
  const json = {
    formatVersion,
    ...manifest,
    storeTs: String(manifest.storeTs),
    logTs: String(manifest.logTs),
  };
  const file = path.join(folder, manifestName);
  fs.writeFileSync(file, `${JSON.stringify(json, null, 1)}\n`, { mode: 0o600, flush: true });
}

/** Throws BackupMissing, BackupDamaged, BackupTooNew. */
export function readManifest(folder: string): Manifest {
  const file = path.join(folder, manifestName);
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch {
    throw new LensletError(
      "NotFound",
      "BackupMissing",
      `${folder} is not a finished backup: it has no ${manifestName}. Name a folder that lenslet backup has made.`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text) as unknown;
  } catch {
    throw backupDamaged(file, "it is no JSON");
  }
  const version = z.object({ formatVersion: z.number() }).safeParse(json);
  if (version.success && version.data.formatVersion > formatVersion) {
    throw new LensletError(
      "BadRequest",
      "BackupTooNew",
      `${folder} was made by a newer Lenslet (format ${version.data.formatVersion}, this one reads up to ${formatVersion}). Update Lenslet: npm install lenslet@latest`,
    );
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) throw backupDamaged(file, parsed.error.issues[0]?.message ?? "it is invalid");
  return parsed.data;
}

export function backupDamaged(file: string, finding: string): LensletError {
  return new LensletError(
    "BadRequest",
    "BackupDamaged",
    `The backup is damaged: ${file}: ${finding}. Nothing was restored. Take another copy of it, or another backup.`,
  );
}

/** Told of every piece that is copied; ends the copying by throwing. */
export type OnCopied = (bytes: number) => void;

const copyChunkBytes = 1024 * 1024;

/** Copies the first `bytesMax` bytes, or all there are now, and returns when the disk has them. Existing files are kept. */
export async function copyHashed(
  source: string,
  target: string,
  onCopied: OnCopied,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<Omit<BackupEntry, "path">> {
  await fs.promises.mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
  const hash = createHash("sha256");
  const from = await fs.promises.open(source, "r");
  try {
    // Programs of installed packages stay programs.
    const mode = (await from.stat()).mode & 0o777;
    const to = await fs.promises.open(target, "wx", mode);
    try {
      const chunk = Buffer.allocUnsafe(copyChunkBytes);
      let bytes = 0;
      while (bytes < bytesMax) {
        const { bytesRead } = await from.read(chunk, 0, Math.min(chunk.length, bytesMax - bytes), bytes);
        if (bytesRead === 0) break;
        const piece = chunk.subarray(0, bytesRead);
        hash.update(piece);
        await to.write(piece, 0, bytesRead, bytes);
        bytes += bytesRead;
        onCopied(bytesRead);
      }
      await to.sync();
      return { bytes, sha256: hash.digest("hex") };
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

export async function hashOf(file: string): Promise<Omit<BackupEntry, "path">> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of fs.createReadStream(file, { highWaterMark: copyChunkBytes })) {
    hash.update(piece as Buffer);
    bytes += (piece as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** All files below a folder, by their paths with "/"; nothing when there is no such folder. */
export async function* filesBelow(folder: string, prefix = ""): AsyncGenerator<string, void, undefined> {
  let names: fs.Dirent[];
  try {
    names = await fs.promises.readdir(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const entry of names) {
    const name = `${prefix}${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path.join(folder, entry.name), `${name}/`);
    else if (entry.isFile()) yield name;
  }
}

/**
 * Makes a folder that is there as a whole or not at all: `fill` fills one beside it, which is renamed when that is done and
 * removed when it fails. Throws FolderInUse if there is something at `target` already, but for an empty folder.
 */
export async function createWhole<T>(
  target: string,
  working: string,
  fill: (folder: string) => Promise<T>,
): Promise<T> {
  refuseUnlessFree(target);
  const parent = path.dirname(target);
  fs.mkdirSync(parent, { recursive: true });
  const temporary = path.join(parent, `${path.basename(target)}.${working}-${process.pid}`);
  fs.rmSync(temporary, { recursive: true, force: true });
  try {
    fs.mkdirSync(temporary, { mode: 0o700 });
    // It may lie beside people's sources and holds a secret: git must not pick it up.
    fs.writeFileSync(path.join(temporary, ".gitignore"), "*\n");
    const result = await fill(temporary);
    // Again: it took a while. An empty folder gives way, and nothing else does.
    refuseUnlessFree(target);
    if (fs.existsSync(target)) fs.rmdirSync(target);
    fs.renameSync(temporary, target);
    nodeFileSystem.syncFolder(parent);
    return result;
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

function refuseUnlessFree(target: string): void {
  if (!fs.existsSync(target)) return;
  if (fs.statSync(target).isDirectory() && fs.readdirSync(target).length === 0) return;
  throw new LensletError(
    "Conflict",
    "FolderInUse",
    `There is something at ${target} already. Name a folder that does not exist yet, or an empty one.`,
  );
}
