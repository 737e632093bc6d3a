import type { Readable } from "node:stream";
import { LensletError } from "../base/errors.ts";

/** Bytes of a file from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface WrittenFile {
  readonly size: number;
  /** 32 bytes. */
  readonly sha256: Buffer;
}

/**
 * Where the contents of files are. A key is written once and then never changes; which keys matter is known to the
 * database alone. Memory does not grow with the size of a file.
 */
export interface FileStore {
  /**
   * Stores everything `source` yields. When the promise resolves the contents are complete and durable; when it rejects,
   * or the process dies first, there is nothing under the key. `key`: see `isFileKey`.
   */
  write(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenFile>;
  /** Null when there is nothing under the key. The range must lie inside of the contents. `abort` ends waiting for them. */
  read(key: string, range: ByteRange, abort?: AbortSignal): Promise<Readable | null>;
  /** Also when there is nothing. */
  remove(key: string): Promise<void>;
  /** All keys, in batches, in no order. Keys written or removed meanwhile may or may not be among them. */
  keys(): AsyncIterable<readonly string[]>;
  /** Removes what writes of an earlier process have left half done. To be called before the first write. */
  removeUnfinished(): Promise<void>;
}

/** A store elsewhere that does not answer, or refuses. */
export function fileStoreUnavailable(reason: string): LensletError {
  return new LensletError(
    "FeatureTemporarilyUnavailable",
    "FileStoreUnavailable",
    `The file store cannot be used: ${reason}. Check its address, bucket and credentials.`,
  );
}

/** Keys are 32 lower-case hex digits. */
export function isFileKey(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}
