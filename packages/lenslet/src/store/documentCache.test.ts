import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeDocument } from "./document.ts";
import { DocumentCache, heapBytesOf } from "./documentCache.ts";
import type { StoredDocument } from "./store.ts";

function documentOf(n: number): StoredDocument {
  return makeDocument(String(n), String(n), `{"n":${String(n).padStart(4, "0")}}`);
}
const bytesEach = heapBytesOf(documentOf(1));

describe("DocumentCache", () => {
  it("holds no more than its bytes, and the newest half of them at least", () => {
    const cache = new DocumentCache(20 * bytesEach);
    for (let n = 0; n < 1000; n++) cache.put(1, String(n), documentOf(n));
    expect(cache.size).toBeLessThanOrEqual(20);
    for (let n = 990; n < 1000; n++) expect(cache.get(1, String(n))?.json).toBe(documentOf(n).json);
  });

  it("keeps what is used however much passes through", () => {
    const cache = new DocumentCache(20 * bytesEach);
    const hot = documentOf(0);
    cache.put(1, "0", hot);
    for (let n = 1; n < 1000; n++) {
      cache.put(1, String(n), documentOf(n));
      expect(cache.get(1, "0")).toBe(hot);
    }
  });

  it("tells equal ids of different tablets apart, and forgets a tablet", () => {
    const cache = new DocumentCache(20 * bytesEach);
    cache.put(1, "5", documentOf(5));
    cache.put(2, "5", documentOf(6));
    expect(cache.get(1, "5")?.json).toBe(documentOf(5).json);
    cache.dropTablet(1);
    expect(cache.get(1, "5")).toBeUndefined();
    expect(cache.get(2, "5")?.json).toBe(documentOf(6).json);
  });

  it("does not hold a document larger than half of it", () => {
    const cache = new DocumentCache(bytesEach);
    cache.put(1, "1", documentOf(1));
    expect(cache.get(1, "1")).toBeUndefined();
  });

  it("never returns anything but the last version put, and stays bounded", () => {
    const step = fc.record({
      kind: fc.constantFrom("put", "get", "delete", "drop"),
      tablet: fc.integer({ min: 1, max: 2 }),
      n: fc.nat(15),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const cache = new DocumentCache(8 * bytesEach);
        const latest = new Map<string, StoredDocument>();
        for (const { kind, tablet, n } of steps) {
          const key = `${tablet} ${n}`;
          if (kind === "put") {
            const document = documentOf(n);
            cache.put(tablet, String(n), document);
            latest.set(key, document);
          } else if (kind === "delete") {
            cache.delete(tablet, String(n));
            latest.delete(key);
          } else if (kind === "drop") {
            cache.dropTablet(tablet);
            for (const other of latest.keys()) if (other.startsWith(`${tablet} `)) latest.delete(other);
          } else {
            const found = cache.get(tablet, String(n));
            if (found !== undefined) expect(found).toBe(latest.get(key));
          }
          expect(cache.size).toBeLessThanOrEqual(8);
        }
      }),
    );
  });
});
