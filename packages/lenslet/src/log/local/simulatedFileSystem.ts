import path from "node:path";
import { assert } from "../../base/assert.ts";
import { LensletError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { LogFile, LogFileSystem } from "./fileSystem.ts";

/** A disk writes a sector whole or not at all. */
const sectorBytes = 512;

type Change =
  | { readonly kind: "write"; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly sizeBytes: number };

/** `content` is what the running program sees; `durable` and any part of `unsynced` is what a crash leaves. */
interface SimulatedFile {
  content: Buffer;
  durable: Buffer;
  unsynced: Change[];
}

interface FolderChange {
  readonly kind: "create" | "remove";
  readonly file: string;
  readonly node: SimulatedFile;
}

/** Thrown by the operation at which the simulated machine lost power. */
export class SimulatedPowerLoss extends Error {
  override name = "SimulatedPowerLoss";
}

/**
 * A file system in memory that loses what was not synced, in the worst way a real one may: unsynced sectors reach
 * the disk in any order, file sizes before contents, folder entries independently of each other.
 */
export class SimulatedFileSystem implements LogFileSystem {
  /** Writes beyond this total fail with ENOSPC, after part of the bytes. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Every further sync fails with EIO. */
  syncFails = false;
  /** A planted bug for canary tests: syncs return without doing anything. */
  syncLies = false;
  /** Operations left until the power fails. */
  operationsUntilPowerLoss = Number.POSITIVE_INFINITY;

  private files = new Map<string, SimulatedFile>();
  private durableFiles = new Map<string, SimulatedFile>();
  private folderChanges: FolderChange[] = [];
  private locked = false;

  /** What the next start of the machine finds. The receiver must not be used any more. */
  crash(random: Random): SimulatedFileSystem {
    const coin = (): boolean => ((random.bytes(1)[0] ?? 0) & 1) === 1;
    const after = new SimulatedFileSystem();
    after.syncLies = this.syncLies;
    const survivors = new Map(this.durableFiles);
    for (const { kind, file, node } of this.folderChanges) {
      if (!coin()) continue;
      if (kind === "create") survivors.set(file, node);
      else survivors.delete(file);
    }
    for (const [name, node] of survivors) {
      const content = node.unsynced.reduce((bytes, change) => tear(bytes, change, coin), node.durable);
      const survivor = { content, durable: content, unsynced: [] };
      after.files.set(name, survivor);
      after.durableFiles.set(name, survivor);
    }
    return after;
  }

  /** Contents of a file, to damage them in tests. */
  contentOf(file: string): Buffer {
    return this.nodeOf(file).content;
  }

  replaceContent(file: string, content: Buffer): void {
    const node = this.nodeOf(file);
    node.content = content;
    node.durable = content;
    node.unsynced = [];
  }

  createFolder(): void {
    this.step();
  }

  list(folder: string): string[] {
    return [...this.files.keys()]
      .filter((file) => path.dirname(file) === folder)
      .map((file) => path.basename(file));
  }

  open(file: string, mode: "create" | "readWrite" | "read"): LogFile {
    this.step();
    if (mode === "create") {
      assert(!this.files.has(file), "a new segment's name is free");
      const node = { content: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] };
      this.files.set(file, node);
      this.folderChanges.push({ kind: "create", file, node });
    }
    return this.handleOf(this.nodeOf(file), mode !== "read");
  }

  remove(file: string): void {
    this.step();
    this.folderChanges.push({ kind: "remove", file, node: this.nodeOf(file) });
    this.files.delete(file);
  }

  syncFolder(): void {
    this.step();
    this.failSyncIfAsked();
    if (this.syncLies) return;
    this.durableFiles = new Map(this.files);
    this.folderChanges = [];
  }

  lock(folder: string): () => void {
    if (this.locked) throw new LensletError("Internal", "LogInUse", `${folder} is in use`);
    this.locked = true;
    return () => {
      this.locked = false;
    };
  }

  private handleOf(node: SimulatedFile, writable: boolean): LogFile {
    let open = true;
    const use = (): void => {
      this.step();
      assert(open, "a closed file is not used");
    };
    const change = (entry: Change): void => {
      assert(writable, "a file opened for reading is not written");
      node.content = applyChange(node.content, entry);
      node.unsynced.push(entry);
    };
    return {
      sizeBytes: () => node.content.length,
      read: (target, position) => {
        use();
        return node.content.copy(target, 0, position, position + target.length);
      },
      write: (bytes, position) => {
        use();
        const room = this.roomBytes() - Math.max(0, position + bytes.length - node.content.length);
        const fitting = room >= 0 ? bytes.length : Math.max(0, bytes.length + room);
        change({ kind: "write", position, bytes: Buffer.from(bytes.subarray(0, fitting)) });
        if (fitting < bytes.length) throw platformError("ENOSPC", "no space left on device, write");
      },
      truncate: (sizeBytes) => {
        use();
        change({ kind: "truncate", sizeBytes });
      },
      sync: () => {
        use();
        this.failSyncIfAsked();
        if (this.syncLies) return;
        node.durable = node.content;
        node.unsynced = [];
      },
      close: () => {
        open = false;
      },
    };
  }

  private roomBytes(): number {
    let used = 0;
    for (const node of this.files.values()) used += node.content.length;
    return this.capacityBytes - used;
  }

  private nodeOf(file: string): SimulatedFile {
    const node = this.files.get(file);
    if (node === undefined) throw platformError("ENOENT", `no such file or directory, open '${file}'`);
    return node;
  }

  private failSyncIfAsked(): void {
    if (this.syncFails) throw platformError("EIO", "i/o error, fdatasync");
  }

  private step(): void {
    if (this.operationsUntilPowerLoss <= 0) throw new SimulatedPowerLoss("the power is off");
    this.operationsUntilPowerLoss -= 1;
  }
}

function applyChange(content: Buffer, change: Change): Buffer {
  if (change.kind === "truncate") return Buffer.from(content.subarray(0, change.sizeBytes));
  const size = Math.max(content.length, change.position + change.bytes.length);
  const changed = Buffer.alloc(size);
  content.copy(changed);
  change.bytes.copy(changed, change.position);
  return changed;
}

/** The change as far as it got: each sector, and the new size, with or without. */
function tear(content: Buffer, change: Change, coin: () => boolean): Buffer {
  if (change.kind === "truncate") return coin() ? applyChange(content, change) : content;
  const end = change.position + change.bytes.length;
  let torn = content;
  if (coin() && end > content.length) torn = Buffer.concat([content, Buffer.alloc(end - content.length)]);
  for (let from = change.position; from < end;) {
    const to = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes);
    const bytes = change.bytes.subarray(from - change.position, to - change.position);
    if (coin()) torn = applyChange(torn, { kind: "write", position: from, bytes });
    from = to;
  }
  return torn;
}

function platformError(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}
