import { badRequest } from "../base/errors.ts";
import type { FetchedFile, WantedFile } from "./wire.ts";

/** Ends an attempt at a call: it has asked for contents that the net thread has to fetch first. */
export class FilesAwaited extends Error {
  override name = "FilesAwaited";
  /** All that the attempt has read or wants to read, by key. */
  readonly files: readonly WantedFile[];
  constructor(files: readonly WantedFile[]) {
    super("a call waits for the contents of files");
    this.files = files;
  }
}

/**
 * The contents of files that one attempt at a call reads, where reading them takes time. What the call was started with
 * is there. The first time, nothing is: the attempt goes on as far as it gets, so that all it wants is known at once,
 * and ends without having had any effect.
 */
export class AwaitedFiles {
  readonly #fetched: ReadonlyMap<string, FetchedFile> | null;
  readonly #wanted = new Map<string, number>();

  constructor(fetched: ReadonlyMap<string, FetchedFile> | null) {
    this.#fetched = fetched;
  }

  /** Null: there is nothing under the key. Throws FilesAwaited, and why it could not be fetched. */
  read(key: string, size: number): Uint8Array | null {
    this.#wanted.set(key, size);
    const found = this.#fetched?.get(key);
    if (found === undefined) throw this.awaited();
    if (found.error !== null) throw badRequest(found.error.code, found.error.message);
    return found.bytes;
  }

  awaited(): FilesAwaited {
    return new FilesAwaited(Array.from(this.#wanted, ([key, size]) => ({ key, size })));
  }
}
