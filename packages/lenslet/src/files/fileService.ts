import { Readable } from "node:stream";
import { assert } from "../base/assert.ts";
import { badRequest, LensletError } from "../base/errors.ts";
import { type Random, randomHex } from "../base/random.ts";
import type { EngineApi } from "../engine/api.ts";
import type { FoundFile } from "../engine/storageOperations.ts";
import { fileIdOf } from "../deploy/fileRows.ts";
import type { ByteRange, FileStore } from "./fileStore.ts";

/** limits.md has 4; uploads here wait for the network, not for each other. */
export const uploadsMax = 256;

export interface FileServiceOptions {
  readonly engine: EngineApi;
  readonly store: FileStore;
  readonly random: Random;
}

/** A file to be stored. */
export interface NewFile {
  /** Namespace of the component it belongs to. */
  readonly component: string;
  /** As given by the sender; null: none. */
  readonly contentType: string | null;
  /** Base64; the contents are refused when theirs differs. */
  readonly sha256: string | null;
}

export interface HeldContents {
  readonly key: string;
  readonly size: number;
  /** Base64. */
  readonly sha256: string;
  readonly release: () => void;
}

/**
 * Files as a whole: contents in a FileStore, everything else in the database. The contents are there before the row that
 * names them and go after it, so a row is never without them; contents without a row are found by the sweeper.
 */
export class FileService {
  readonly #options: FileServiceOptions;
  /** Keys that are being written or are about to be named by a row. */
  readonly #arriving = new Set<string>();
  /** Of each sweep in progress: keys that arrived since it began. */
  readonly #watchers = new Set<Set<string>>();

  constructor(options: FileServiceOptions) {
    this.#options = options;
  }

  /**
   * Streams the contents in and makes them a file; resolves with its storage id when all of it is durable. Throws
   * Sha256Mismatch, TooManyConcurrentRequests and what `source` throws; then nothing is left.
   */
  async store(file: NewFile, source: AsyncIterable<Uint8Array>): Promise<string> {
    if (this.#arriving.size >= uploadsMax) {
      throw new LensletError(
        "RateLimited",
        "TooManyConcurrentRequests",
        `Too many uploads at the same time (limit: ${uploadsMax}). Try again later.`,
      );
    }
    const { random, store } = this.#options;
    const key = randomHex(random, 16);
    this.#arriving.add(key);
    for (const seen of this.#watchers) seen.add(key);
    try {
      const { size, sha256 } = await store.write(key, source);
      const actual = sha256.toString("base64");
      if (file.sha256 !== null && file.sha256 !== actual) {
        await store.remove(key);
        throw badRequest("Sha256Mismatch", `Sha256 mismatch. Expected: ${file.sha256} Actual: ${actual}`);
      }
      return await this.#name(file, key, size, actual);
    } finally {
      this.#arriving.delete(key);
    }
  }

  async #name(file: NewFile, key: string, size: number, sha256: string): Promise<string> {
    const { engine, store, random } = this.#options;
    const { component, contentType } = file;
    const fileId = fileIdOf(random.bytes(16));
    const request = { component, contentType, sha256, size, fileId, key };
    try {
      return JSON.parse(await engine.system("files.store", JSON.stringify(request))) as string;
    } catch (error) {
      // Refused before anything was written. After any other failure the row may be there: the sweeper finds out.
      if (error instanceof LensletError && error.category === "BadRequest") await store.remove(key);
      throw error;
    }
  }

  /**
   * Contents whose rows are still to be written, by an import: they are kept until `release` is called, and from then on
   * if a row names them.
   */
  async hold(source: AsyncIterable<Uint8Array>): Promise<HeldContents> {
    const { random, store } = this.#options;
    const key = randomHex(random, 16);
    this.#arriving.add(key);
    for (const seen of this.#watchers) seen.add(key);
    const release = () => void this.#arriving.delete(key);
    try {
      const { size, sha256 } = await store.write(key, source);
      return { key, size, sha256: sha256.toString("base64"), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** The file with this UUID; null when there is none. */
  async find(component: string, fileId: string): Promise<FoundFile | null> {
    const answer = await this.#options.engine.system("files.find", JSON.stringify({ component, fileId }));
    return JSON.parse(answer) as FoundFile | null;
  }

  /** Null when there is nothing under the key. */
  async read(key: string, range: ByteRange): Promise<Readable | null> {
    const { store } = this.#options;
    // A store may fail over contents that are just being moved into it: what it has may be a part.
    const stored = await store.read(key, range).catch((error: unknown) => {
      if (error instanceof LensletError) return null;
      throw error;
    });
    if (stored !== null) return stored;
    const bytes = await this.#contentsInDatabase(key);
    // They may just have been moved.
    if (bytes === null) return await store.read(key, range);
    return Readable.from(range.end > range.start ? [bytes.subarray(range.start, range.end)] : []);
  }

  /** Takes contents that a mutation has stored over into the file store. */
  async takeOver(key: string): Promise<void> {
    const bytes = await this.#contentsInDatabase(key);
    if (bytes === null) return;
    await this.#options.store.write(key, Readable.from([bytes]));
    await this.#options.engine.system("files.moved", JSON.stringify({ key }));
  }

  async #contentsInDatabase(key: string): Promise<Buffer | null> {
    const answer = await this.#options.engine.system("files.contents", JSON.stringify({ key }));
    const text = JSON.parse(answer) as string | null;
    return text === null ? null : Buffer.from(text, "base64");
  }

  get contents(): FileStore {
    return this.#options.store;
  }

  /**
   * Calls `sweep` with a test for keys that it must not touch: those that arrived, or were arriving, after it began.
   */
  async whileWatching(sweep: (isArriving: (key: string) => boolean) => Promise<void>): Promise<void> {
    const seen = new Set(this.#arriving);
    this.#watchers.add(seen);
    try {
      await sweep((key) => seen.has(key));
    } finally {
      assert(this.#watchers.delete(seen), "a sweep ends once");
    }
  }
}
