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
  // Of one that was killed.
  fs.rmSync(path.join(folder, "server.url"), { force: true });
  return () => {
    fs.rmSync(pidFile, { force: true });
    lock.close();
  };
}

/** Says where the server that has the folder answers, for commands on this machine. Returns the end of that. */
export function announceServer(folder: string, url: string): () => void {
  const file = path.join(folder, "server.url");
  fs.writeFileSync(file, `${url}\n`);
  return () => fs.rmSync(file, { force: true });
}

/** Null: it is not up yet. Says nothing about whether it still runs. */
export function announcedServer(folder: string): string | null {
  try {
    return fs.readFileSync(path.join(folder, "server.url"), "utf8").trim();
  } catch {
    return null;
  }
}

function ownerOf(pidFile: string): string {
  try {
    return ` (pid ${Number(fs.readFileSync(pidFile, "utf8"))})`;
  } catch {
    return "";
  }
}
