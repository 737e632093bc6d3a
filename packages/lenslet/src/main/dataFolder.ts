import { createHmac, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { LensletError } from "../base/errors.ts";
import type { EngineKeys } from "../engine/callContext.ts";

/** What a deployment keeps beside its data: its name and the secret that all its keys are derived from. */
export interface Instance {
  readonly name: string;
  readonly secret: Uint8Array;
  /** True for the folder of a node whose log is in PostgreSQL: it is nothing without that. */
  readonly isReplica?: boolean;
}

/** The format of the folder as a whole; log and store have their own. */
const formatVersion = 1;

const instanceFile = z.object({
  formatVersion: z.number().int(),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  /** Where the log is, if not in the folder. */
  log: z.literal("postgres").optional(),
});

/** Reads the folder's `instance.json`, creating folder and file the first time. */
export function openDataFolder(folder: string, defaultName: string): Instance {
  const file = path.join(folder, "instance.json");
  try {
    if (!fs.existsSync(file)) createInstance(folder, file, defaultName);
    fs.accessSync(folder, fs.constants.R_OK | fs.constants.W_OK);
  } catch (error) {
    throw new LensletError(
      "Internal",
      "DataFolderUnusable",
      `${folder} cannot be used as data folder (${(error as Error).message}). Choose another with --data.`,
    );
  }
  const parsed = instanceFile.safeParse(readJson(file));
  if (!parsed.success) {
    throw new LensletError(
      "Internal",
      "DataFolderInvalid",
      `${file} is damaged. Restore it from a backup, or move the folder away to start with an empty one.`,
    );
  }
  if (parsed.data.formatVersion > formatVersion) {
    throw new LensletError(
      "Internal",
      "DataFormatTooNew",
      `${folder} was written by a newer version of Lenslet (format ${parsed.data.formatVersion}, this one reads up to ${formatVersion}). Update Lenslet: npm install lenslet@latest`,
    );
  }
  const { name, secret, log } = parsed.data;
  return { name, secret: Buffer.from(secret, "hex"), isReplica: log === "postgres" };
}

/** Makes a new folder one of a node of the deployment in PostgreSQL; refuses one of another deployment. */
export function adoptIdentity(folder: string, own: Instance, shared: Instance): void {
  const isSame = own.name === shared.name && Buffer.from(own.secret).equals(shared.secret);
  if (isSame && own.isReplica === true) return;
  if (!isSame && fs.existsSync(path.join(folder, "store.sqlite"))) {
    throw new LensletError(
      "Conflict",
      "DataFolderOfAnother",
      `${folder} belongs to another deployment than the one in this PostgreSQL database. Choose a new folder with --data, or the database it belongs to.`,
    );
  }
  writeInstance(path.join(folder, "instance.json"), {
    formatVersion,
    name: shared.name,
    secret: Buffer.from(shared.secret).toString("hex"),
    log: "postgres",
  });
}

/** The same for one that has been used before: commands about a folder do not create it. */
export function openExistingDataFolder(folder: string): Instance {
  if (!fs.existsSync(path.join(folder, "instance.json"))) {
    throw new LensletError(
      "NotFound",
      "DataFolderMissing",
      `There is no data folder at ${path.resolve(folder)}. Start a server first (lenslet dev), or name another with --data.`,
    );
  }
  return openDataFolder(folder, "lenslet");
}

function createInstance(folder: string, file: string, name: string): void {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  // It lies beside people's sources and holds a secret: git must not pick it up.
  fs.writeFileSync(path.join(folder, ".gitignore"), "*\n");
  writeInstance(file, { formatVersion, name, secret: randomBytes(32).toString("hex") });
}

function writeInstance(file: string, content: z.input<typeof instanceFile>): void {
  const temporary = `${file}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  fs.renameSync(temporary, file);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

export function instanceKeys(instance: Instance): EngineKeys {
  return {
    cursorSecret: derivedKey(instance, "cursors"),
    uploadSecret: derivedKey(instance, "upload tokens"),
    jwtSecret: derivedKey(instance, "jwt signing"),
  };
}

function derivedKey(instance: Instance, purpose: string): Uint8Array {
  return createHmac("sha256", instance.secret).update(purpose).digest();
}
