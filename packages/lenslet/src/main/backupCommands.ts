import { type Command, InvalidArgumentError } from "commander";
import type { BackupFlags } from "./backupCommand.ts";
import { dataOption } from "./commandOptions.ts";
import type { RestoreFlags } from "./restoreCommand.ts";

export function addBackupCommand(program: Command, lensletVersion: string): void {
  program
    .command("backup")
    .description(
      "copy a data folder, also while a server runs on it, into a folder that can be kept elsewhere",
    )
    .addOption(dataOption())
    .option("--to <folder>", "where to; must not exist yet (default: ./lenslet-backup-<time>)")
    .option("--json", "print what was copied as JSON")
    .addHelpText(
      "after",
      `
The backup holds the database, stored files, settings and the secret of the deployment: keep it as safe as that.
Files in S3 (--files-s3) stay there and are not copied. Put it back with: lenslet restore <backup>`,
    )
    .action(async (flags: BackupFlags) => {
      // Loaded here, as with the server: a process that only watches over one has no use for it.
      const { backup } = await import("./backupCommand.ts");
      await backup(flags, lensletVersion);
    });
}

export function addRestoreCommand(program: Command): void {
  program
    .command("restore")
    .description("make a data folder from a backup, as of its end or of any time since it began")
    .argument("<backup>", "folder that lenslet backup has made")
    .addOption(dataOption("data folder to make; must not exist, or be empty (LENSLET_DATA)"))
    .option(
      "--at <time>",
      "the state at this time, e.g. 2026-03-01T14:05:00Z, or after the commit with this timestamp (_ts of document_deltas)",
      parseTime,
    )
    .option(
      "--log-of <folder>",
      "data folder that went on after the backup: its log, and files it has stored since, are used too",
    )
    .option("--json", "print what was restored as JSON")
    .addHelpText(
      "after",
      `
Somebody deleted the wrong rows at 14:06? Last night's backup and the log since then have the state before:
  $ lenslet restore backups/monday --log-of .lenslet --at 2026-03-01T14:05:00Z --data .lenslet-before
  $ lenslet start --data .lenslet-before --port 3220 --site-port 3221
Scheduled functions that were due at that time run when the server starts.`,
    )
    .action(async (from: string, flags: RestoreFlags) => {
      const { restore } = await import("./restoreCommand.ts");
      await restore(from, flags);
    });
}

/** Nanoseconds. A date without a zone would mean another moment on another machine. */
function parseTime(text: string): bigint {
  if (/^\d{19}$/.test(text)) return BigInt(text);
  const isDate = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const ms = isDate ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError("a time with its zone is needed, e.g. 2026-03-01T14:05:00Z or …+01:00.");
  }
  return BigInt(ms) * 1_000_000n;
}
