import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeDocument } from "../store/document.ts";
import type { ScanRow, StoredDocument } from "../store/store.ts";
import { IndexOverlay, type RowSource, overlaid } from "./overlay.ts";

const keyArbitrary = fc.nat({ max: 60 }).map((n) => String.fromCharCode(n));

function documentOf(key: string, version: number): StoredDocument {
  return makeDocument(key, key, JSON.stringify({ version }));
}

function sourceOf(rows: ReadonlyMap<string, StoredDocument>): RowSource {
  return (lower, upper, order, limit) => {
    const found: ScanRow[] = [...rows]
      .filter(([key]) => key >= lower && (upper === null || key < upper))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, document]) => ({ key, document }));
    return (order === "asc" ? found : found.reverse()).slice(0, limit);
  };
}

describe("overlaid", () => {
  it("gives the rows that a changed source would give, in batches of any size", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(keyArbitrary, { maxLength: 40, size: "max" }),
        fc.array(fc.tuple(keyArbitrary, fc.boolean(), fc.boolean()), { maxLength: 60, size: "max" }),
        fc.record({ lower: keyArbitrary, upper: fc.option(keyArbitrary) }),
        fc.constantFrom("asc" as const, "desc" as const),
        fc.integer({ min: 1, max: 7 }),
        (baseKeys, changes, { lower, upper }, order, limit) => {
          const base = new Map(baseKeys.map((key) => [key, documentOf(key, 0)]));
          const changed = new Map(base);
          const overlay = new IndexOverlay();
          for (const [step, [key, isRow, scanNow]] of changes.entries()) {
            const document = isRow ? documentOf(key, step + 1) : null;
            overlay.set(key, document);
            if (document === null) changed.delete(key);
            else changed.set(key, document);
            // Scans in between bring the overlay to sort what it has.
            if (scanNow) overlaid(sourceOf(base), overlay)("", null, "asc", 1);
          }
          const expected = sourceOf(changed)(lower, upper, order, limit);
          expect(overlaid(sourceOf(base), overlay)(lower, upper, order, limit)).toEqual(expected);
        },
      ),
    );
  });
});
