import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LensletError } from "../../base/errors.ts";

/** One open file. Every call is synchronous and throws the platform's error. */
export interface LogFile {
  sizeBytes(): number;
  /** Reads up to `target.length` bytes; returns how many there were. */
  read(target: Uint8Array, position: number): number;
  /** Writes all bytes or throws; after a throw any part of them may have been written. */
  write(bytes: Uint8Array, position: number): void;
  truncate(sizeBytes: number): void;
  /** Returns when contents and size survive power loss. */
  sync(): void;
  close(): void;
}

/** What the local log needs of a file system; simulatedFileSystem.ts is the other implementation. */
export interface LogFileSystem {
  createFolder(folder: string): void;
  list(folder: string): string[];
  open(file: string, mode: "create" | "readWrite" | "read"): LogFile;
  remove(file: string): void;
  /** Returns when files created in and removed from the folder stay so after power loss. */
  syncFolder(folder: string): void;
  /** Takes the folder for this owner or throws LensletError LogInUse. Returns the release. */
  lock(folder: string): () => void;
}

class NodeLogFile implements LogFile {
  private readonly fd: number;
  constructor(fd: number) {
    this.fd = fd;
  }
  sizeBytes(): number {
    return fs.fstatSync(this.fd).size;
  }
  read(target: Uint8Array, position: number): number {
    let done = 0;
    while (done < target.length) {
      const count = fs.readSync(this.fd, target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }
  write(bytes: Uint8Array, position: number): void {
    let done = 0;
    while (done < bytes.length) {
      done += fs.writeSync(this.fd, bytes, done, bytes.length - done, position + done);
    }
  }
  truncate(sizeBytes: number): void {
    fs.ftruncateSync(this.fd, sizeBytes);
  }
  sync(): void {
    fs.fdatasyncSync(this.fd);
  }
  close(): void {
    fs.closeSync(this.fd);
  }
}

const openFlags = { create: "wx+", readWrite: "r+", read: "r" } as const;

function syncFolder(folder: string): void {
  // Windows can neither open nor sync a folder; NTFS journals its entries.
  if (process.platform === "win32") return;
  const fd = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Node has no flock, but SQLite takes a real file lock, which the operating system releases however this process
 * ends. It also keeps two log threads of one process apart.
 */
function lockFolder(folder: string): () => void {
  const database = new DatabaseSync(path.join(folder, "log.lock"));
  try {
    database.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch {
    database.close();
    throw new LensletError(
      "Internal",
      "LogInUse",
      `The log in ${folder} is in use by another process. Stop that process, or start this one with another data folder.`,
    );
  }
  return () => database.close();
}

export const nodeFileSystem: LogFileSystem = {
  createFolder(folder) {
    // Each new folder's entry lives in its parent.
    const first = fs.mkdirSync(folder, { recursive: true });
    if (first === undefined) return;
    const top = path.dirname(path.resolve(first));
    for (let at = path.dirname(path.resolve(folder)); ; at = path.dirname(at)) {
      syncFolder(at);
      if (at === top || at === path.dirname(at)) return;
    }
  },
  list: (folder) => fs.readdirSync(folder),
  open: (file, mode) => new NodeLogFile(fs.openSync(file, openFlags[mode])),
  remove: (file) => fs.unlinkSync(file),
  syncFolder,
  lock: lockFolder,
};
