import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LensletError } from "../base/errors.ts";

/**
 * One process per data folder. Node has no flock, but SQLite takes a real file lock, which the operating system
 * releases however the process ends; a process id alone would say nothing after a reboot or in a container, where
 * another process may have it. The id is written beside it for the message.
 */
export function lockDataFolder(folder: string): () => void {
  const pidFile = path.join(folder, "server.pid");
  const lock = new DatabaseSync(path.join(folder, "server.lock"));
  try {
    lock.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch {
    lock.close();
    throw new LensletError(
      "Conflict",
      "DataFolderLocked",
      `${folder} is in use by another Lenslet process${ownerOf(pidFile)}. Stop that one, or choose another folder with --data.`,
    );
  }
  fs.writeFileSync(pidFile, `${process.pid}\n`);
  return () => {
    fs.rmSync(pidFile, { force: true });
    lock.close();
  };
}

function ownerOf(pidFile: string): string {
  try {
    return ` (pid ${Number(fs.readFileSync(pidFile, "utf8"))})`;
  } catch {
    return "";
  }
}
