import { createHash, randomBytes } from "node:crypto";
import { buffer as collect } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import type { FileStore } from "./fileStore.ts";

/** What every FileStore does. `open` yields a store on the same contents each time it is called. */
export function fileStoreContract(name: string, open: () => Promise<FileStore>): void {
  const newKey = () => randomBytes(16).toString("hex");

  async function* chunked(bytes: Buffer, chunkBytes: number) {
    for (let i = 0; i < bytes.length; i += chunkBytes) yield bytes.subarray(i, i + chunkBytes);
  }
  const write = async (store: FileStore, key: string, bytes: Buffer, chunkBytes = 65_536) =>
    await store.write(key, chunked(bytes, chunkBytes));
  const read = async (store: FileStore, key: string, start: number, end: number) => {
    const stream = await store.read(key, { start, end });
    return stream === null ? null : await collect(stream);
  };
  const allKeys = async (store: FileStore) => {
    const keys: string[] = [];
    for await (const batch of store.keys()) keys.push(...batch);
    return keys;
  };

  describe(`FileStore: ${name}`, () => {
    it.each([0, 1, 1000, 65_537, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20 * 1024 * 1024 + 3])(
      "gives back %i bytes, whole and in parts",
      async (sizeBytes) => {
        const store = await open();
        const key = newKey();
        const bytes = randomBytes(sizeBytes);
        const written = await write(store, key, bytes);
        expect(written.size).toBe(sizeBytes);
        expect(written.sha256).toEqual(createHash("sha256").update(bytes).digest());
        expect((await read(store, key, 0, sizeBytes))?.equals(bytes)).toBe(true);
        const ranges = [
          [0, Math.min(10, sizeBytes)],
          [Math.floor(sizeBytes / 2), sizeBytes],
          [Math.max(0, sizeBytes - 1), sizeBytes],
          [sizeBytes, sizeBytes],
        ] as const;
        for (const [start, end] of ranges) {
          expect((await read(store, key, start, end))?.equals(bytes.subarray(start, end))).toBe(true);
        }
        expect((await read(await open(), key, 0, sizeBytes))?.equals(bytes)).toBe(true);
        await store.remove(key);
      },
    );

    it("has nothing where nothing was written or what was has been removed", async () => {
      const store = await open();
      const key = newKey();
      expect(await read(store, key, 0, 1)).toBeNull();
      await store.remove(key);
      await write(store, key, Buffer.from("x"));
      await store.remove(key);
      expect(await read(store, key, 0, 1)).toBeNull();
      expect(await allKeys(store)).not.toContain(key);
    });

    it.each([10, 9 * 1024 * 1024, 18 * 1024 * 1024])(
      "has nothing of a source that fails after %i bytes",
      async (sizeBytes) => {
        const store = await open();
        const key = newKey();
        async function* failing() {
          yield* chunked(Buffer.alloc(sizeBytes), 65_536);
          throw new Error("the sender is gone");
        }
        await expect(store.write(key, failing())).rejects.toThrow("the sender is gone");
        expect(await read(store, key, 0, 1)).toBeNull();
        expect(await allKeys(store)).not.toContain(key);
      },
    );

    it("shows nothing of a write before its end", async () => {
      const store = await open();
      const key = newKey();
      let isEnded = false;
      async function* slow() {
        yield* chunked(randomBytes(9 * 1024 * 1024), 65_536);
        expect(await read(store, key, 0, 1)).toBeNull();
        expect(await allKeys(store)).not.toContain(key);
        isEnded = true;
      }
      await store.write(key, slow());
      expect(isEnded).toBe(true);
      expect(await read(store, key, 1, 3)).toHaveLength(2);
      await store.remove(key);
    });

    it("lists what it has", async () => {
      const store = await open();
      const keys = Array.from({ length: 30 }, newKey);
      await Promise.all(keys.map((key) => write(store, key, Buffer.from(key))));
      expect(new Set(await allKeys(await open()))).toEqual(new Set(keys));
      for (const key of keys) await store.remove(key);
      expect(await allKeys(store)).toEqual([]);
    });

    it("cleans up what another process has left half done, and nothing else", async () => {
      const store = await open();
      const [kept, unfinished] = [newKey(), newKey()];
      await write(store, kept, Buffer.from("kept"));
      const hasBegun = Promise.withResolvers<void>();
      const isOver = Promise.withResolvers<void>();
      async function* endless() {
        yield* chunked(randomBytes(17 * 1024 * 1024), 65_536);
        hasBegun.resolve();
        await isOver.promise;
        throw new Error("the other process has ended");
      }
      const writing = store.write(unfinished, endless());
      // Looked at below.
      writing.catch(() => undefined);
      await hasBegun.promise;
      const next = await open();
      await next.removeUnfinished();
      expect(await allKeys(next)).toEqual([kept]);
      expect((await read(next, kept, 0, 4))?.toString()).toBe("kept");
      await next.remove(kept);
      // A write that is never heard of again would keep its file open.
      isOver.resolve();
      await expect(writing).rejects.toThrow("the other process has ended");
    });
  });
}
