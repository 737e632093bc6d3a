import type { Timers } from "../base/clock.ts";
import { fileStoreUnavailable, type FileStore } from "./fileStore.ts";

/** Contents of one file, from the request to the last byte. */
export const fetchMsMax = 20_000;

/**
 * Whole contents, which have this size; null when there is nothing under the key. In memory that threads share: mutations
 * read them in the engine's. Rejects with FileStoreUnavailable.
 */
export async function fetchContents(
  store: FileStore,
  timers: Timers,
  key: string,
  sizeBytes: number,
): Promise<Uint8Array | null> {
  const abort = new AbortController();
  const cancel = timers.setTimeout(() => abort.abort(), fetchMsMax);
  try {
    const source = await store.read(key, { start: 0, end: sizeBytes }, abort.signal);
    if (source === null) return null;
    const bytes = new Uint8Array(new SharedArrayBuffer(sizeBytes));
    let length = 0;
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      if (length + chunk.length > sizeBytes) break;
      bytes.set(chunk, length);
      length += chunk.length;
    }
    if (length < sizeBytes) throw fileStoreUnavailable(`it sent ${length} bytes of ${sizeBytes}`);
    return bytes;
  } catch (error) {
    if (abort.signal.aborted)
      throw fileStoreUnavailable(`it has not sent a file within ${fetchMsMax / 1000} seconds`);
    throw error;
  } finally {
    cancel();
  }
}
