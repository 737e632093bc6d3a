import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { assert } from "../base/assert.ts";
import { type ByteRange, type FileStore, isFileKey, type WrittenFile } from "./fileStore.ts";

const readChunkBytes = 256 * 1024;
const listedKeysMax = 1000;

/**
 * Files in a folder: `incoming/<key>` while they are written, `objects/<first two digits>/<key>` once they are complete.
 * The step from one to the other is a rename, so nothing incomplete is ever found under `objects`.
 */
export class LocalFileStore implements FileStore {
  readonly #incoming: string;
  readonly #objects: string;

  private constructor(folder: string) {
    this.#incoming = path.join(folder, "incoming");
    this.#objects = path.join(folder, "objects");
  }

  static async open(folder: string): Promise<LocalFileStore> {
    const store = new LocalFileStore(folder);
    await fs.mkdir(store.#incoming, { recursive: true });
    await fs.mkdir(store.#objects, { recursive: true });
    return store;
  }

  async write(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenFile> {
    const unfinished = path.join(this.#incoming, key);
    const target = this.#pathOf(key);
    const file = await fs.open(unfinished, "wx");
    try {
      const written = await copyInto(file, source);
      await file.close();
      await this.#publish(unfinished, target);
      return written;
    } catch (error) {
      await file.close().catch(() => undefined);
      await fs.rm(unfinished, { force: true });
      throw error;
    }
  }

  async read(key: string, { start, end }: ByteRange): Promise<Readable | null> {
    const file = await openIfExists(this.#pathOf(key));
    if (file === null) return null;
    // `end` of a stream is the last byte; there is no way to ask it for none.
    if (end <= start) {
      await file.close();
      return Readable.from([]);
    }
    return file.createReadStream({ start, end: end - 1, highWaterMark: readChunkBytes });
  }

  async remove(key: string): Promise<void> {
    await fs.rm(this.#pathOf(key), { force: true });
  }

  async *keys(): AsyncIterable<readonly string[]> {
    for (const shard of await fs.readdir(this.#objects)) {
      let batch: string[] = [];
      for await (const { name } of await fs.opendir(path.join(this.#objects, shard))) {
        if (isFileKey(name)) batch.push(name);
        if (batch.length < listedKeysMax) continue;
        yield batch;
        batch = [];
      }
      if (batch.length > 0) yield batch;
    }
  }

  async removeUnfinished(): Promise<void> {
    for (const name of await fs.readdir(this.#incoming)) {
      await fs.rm(path.join(this.#incoming, name), { force: true });
    }
  }

  #pathOf(key: string): string {
    assert(isFileKey(key), "a file key is 32 hex digits");
    return path.join(this.#objects, key.slice(0, 2), key);
  }

  /** A rename is durable when its folder is, and a new folder when the folder above it is. */
  async #publish(unfinished: string, target: string): Promise<void> {
    const shard = path.dirname(target);
    const isNew = (await fs.mkdir(shard, { recursive: true })) !== undefined;
    await fs.rename(unfinished, target);
    await syncPath(shard);
    if (isNew) await syncPath(this.#objects);
  }
}

/** Small contents, read at once by the engine thread; null: there are none here. */
export function readLocalContents(folder: string, key: string): Uint8Array | null {
  assert(isFileKey(key), "a file key is 32 hex digits");
  try {
    return readFileSync(path.join(folder, "objects", key.slice(0, 2), key));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function copyInto(file: fs.FileHandle, source: AsyncIterable<Uint8Array>): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    for (let done = 0; done < chunk.length;) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, size + done);
      done += bytesWritten;
    }
    size += chunk.length;
  }
  await file.sync();
  return { size, sha256: hash.digest() };
}

async function openIfExists(file: string): Promise<fs.FileHandle | null> {
  try {
    return await fs.open(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Makes what has been written to a file, or has been put into a folder, durable. */
export async function syncPath(fileOrFolder: string): Promise<void> {
  const handle = await fs.open(fileOrFolder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
