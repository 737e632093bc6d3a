import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { adminKeyOf } from "../auth/adminKey.ts";
import { LensletError } from "../base/errors.ts";
import { openSqliteStore } from "../store/sqliteStore.ts";
import { type BackupSource, makeBackup } from "../transfer/backup.ts";
import { filesFolderName, storeName } from "../transfer/backupFolder.ts";
import { leaseMs } from "../transfer/backupLeases.ts";
import { timeOf } from "../transfer/restore.ts";
import { type Instance, openExistingDataFolder } from "./dataFolder.ts";
import { announcedServer, lockDataFolder } from "./folderLock.ts";
import { Progress, sizeText } from "./progress.ts";

export interface BackupFlags {
  readonly data: string;
  readonly to?: string;
  readonly json?: true;
}

export async function backup(flags: BackupFlags, lensletVersion: string): Promise<void> {
  const dataFolder = path.resolve(flags.data);
  const instance = openExistingDataFolder(dataFolder);
  if (instance.isReplica === true) {
    throw new LensletError(
      "BadRequest",
      "LogInPostgres",
      `${dataFolder} is of a node whose log is in PostgreSQL: the data is there. Back up that database with its own tools.`,
    );
  }
  const takenAt = new Date();
  const target = path.resolve(flags.to ?? `lenslet-backup-${fileTime(takenAt)}`);
  const source = openSource(dataFolder, instance);
  const progress = new Progress();
  try {
    const manifest = await makeBackup({
      dataFolder,
      target,
      source,
      instanceName: instance.name,
      lensletVersion,
      takenAt,
      onStep: progress.step,
      onCopied: progress.copied,
    });
    progress.end();
    const bytes = manifest.entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const ts = manifest.logTs;
    process.stderr.write(
      `lenslet: backup of ${instance.name} as of ${timeOf(ts)}: ${manifest.entries.length} files, ${sizeText(bytes)}${manifest.hasFiles ? "" : "; stored files are in S3 and were not copied"}\n`,
    );
    const summary = {
      backup: target,
      files: manifest.entries.length,
      bytes,
      stateOf: timeOf(ts),
      commitTs: String(ts),
      hasStoredFiles: manifest.hasFiles,
    };
    process.stdout.write(flags.json === true ? `${JSON.stringify(summary)}\n` : `${target}\n`);
  } finally {
    progress.end();
    await source.close();
  }
}

/** Without characters that file names cannot have. */
function fileTime(time: Date): string {
  return time
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replaceAll(/[-:]/g, "");
}

type ClosableSource = BackupSource & { close(): Promise<void> };

function openSource(dataFolder: string, instance: Instance): ClosableSource {
  let release: () => void;
  try {
    release = lockDataFolder(dataFolder);
  } catch (error) {
    if (!(error instanceof LensletError) || error.code !== "DataFolderLocked") throw error;
    const url = announcedServer(dataFolder);
    if (url === null) {
      throw new LensletError(
        "Conflict",
        "ServerNotReady",
        `A server is about to start on ${dataFolder}, or to end. Try again in a moment.`,
      );
    }
    return new RunningServer(url, adminKeyOf(instance.name, instance.secret));
  }
  return {
    begin: async () => {
      const store = openSqliteStore(path.join(dataFolder, storeName));
      try {
        return {
          ts: store.checkpoint(),
          hasLocalFiles: fs.existsSync(path.join(dataFolder, filesFolderName)),
        };
      } finally {
        store.close();
      }
    },
    storeCopied: async () => true,
    end: async () => true,
    close: async () => release(),
  };
}

const leaseShape = z.object({
  lease: z.string(),
  ts: z.string().transform(BigInt),
  hasLocalFiles: z.boolean(),
});
const intactShape = z.object({ isIntact: z.boolean() });

/** The server keeps for us what we copy, as long as it hears of us (transfer/backupLeases.ts). */
class RunningServer implements ClosableSource {
  readonly #url: string;
  readonly #adminKey: string;
  #lease: string | null = null;
  #renewal: NodeJS.Timeout | null = null;

  constructor(url: string, adminKey: string) {
    this.#url = url;
    this.#adminKey = adminKey;
  }

  async begin() {
    const { lease, ts, hasLocalFiles } = leaseShape.parse(await this.#ask({ step: "begin" }));
    this.#lease = lease;
    this.#renewal = setInterval(() => {
      // One that is missed is made up for by the next; `end` says whether all went well.
      this.#ask({ step: "renew", lease }).catch(() => undefined);
    }, leaseMs / 6);
    return { ts, hasLocalFiles };
  }

  async storeCopied(): Promise<boolean> {
    return intactShape.parse(await this.#ask({ step: "storeCopied", lease: this.#lease })).isIntact;
  }

  async end(): Promise<boolean> {
    const lease = this.#lease;
    this.#lease = null;
    if (this.#renewal !== null) clearInterval(this.#renewal);
    return intactShape.parse(await this.#ask({ step: "end", lease })).isIntact;
  }

  /** The server need not wait for a minute until it gives up on us. */
  async close(): Promise<void> {
    if (this.#lease !== null) await this.end().catch(() => undefined);
  }

  async #ask(body: object): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(`${this.#url}/api/lenslet/backup`, {
        method: "POST",
        headers: { authorization: `Convex ${this.#adminKey}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch {
      throw new LensletError(
        "Conflict",
        "ServerUnreachable",
        `The server on this data folder does not answer at ${this.#url}. If it was stopped, make the backup again; else see its output.`,
      );
    }
    const answer = (await response.json()) as { code?: string; message?: string };
    if (response.ok) return answer;
    throw new LensletError(
      "BadRequest",
      answer.code ?? "BackupRefused",
      answer.message ?? `HTTP ${response.status}`,
    );
  }
}
