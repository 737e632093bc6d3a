import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { normals } from "../store/vector/testNumbers.ts";
import { openSqliteStore, type SqliteStore } from "../store/sqliteStore.ts";
import type { DocumentWrite } from "../store/store.ts";
import type { VectorCondition, VectorEntry } from "../store/vectorReader.ts";
import { type VectorHit, VectorSearch } from "./vectorSearch.ts";

const [tablet, byId, byVector] = [2000, 2001, 2002];

/** What vector search has to be, in the plainest way. */
class Model {
  readonly entries = new Map<string, VectorEntry>();

  search(vector: Float32Array, conditions: readonly VectorCondition[] | null, limit: number): VectorHit[] {
    const hits = [...this.entries]
      .filter(
        ([, { filters }]) => conditions?.some(({ position, key }) => filters[position] === key) !== false,
      )
      .map(([id, entry]) => ({ id, score: cosine(vector, entry.vector) }));
    return hits.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, limit);
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (const [i, component] of a.entries()) {
    product += component * (b[i] as number);
    lengthA += component ** 2;
    lengthB += (b[i] as number) ** 2;
  }
  const length = Math.sqrt(lengthA * lengthB);
  return length === 0 ? 0 : Math.fround(Math.min(1, Math.max(-1, product / length)));
}

/** A store with one vector index, whose file can be opened again as a crash leaves it. */
class Fixture {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "lenslet-vectors-"));
  readonly #dimensions: number;
  readonly #memoryBytesMax: number;
  store: SqliteStore;

  constructor(dimensions: number, memoryBytesMax = 0) {
    this.#dimensions = dimensions;
    this.#memoryBytesMax = memoryBytesMax;
    this.store = this.#open();
    this.store.createTablet(tablet, byId);
    this.create();
    this.store.persist();
  }

  create(): void {
    this.store.createVectorIndex(byVector, tablet, { dimensions: this.#dimensions, filterFields: 2 });
  }

  /** Everything since the last `persist` is lost. */
  reopen(): void {
    this.store.close();
    this.store = this.#open();
  }

  write(changes: readonly { id: string; existed: boolean; after: VectorEntry | null }[]): void {
    const writes = changes.map(({ id, existed, after }): DocumentWrite => {
      const change = { index: byVector, existed, after };
      return { tablet, id, idText: id, before: null, after: null, keys: [], vectors: [change] };
    });
    this.store.applyCommit(this.store.appliedTs() + 1n, writes, null);
  }

  search(
    vector: Float32Array,
    conditions: readonly VectorCondition[] | null,
    limit: number,
  ): readonly VectorHit[] {
    const search = new VectorSearch(this.store, { index: byVector, vector, conditions, limit });
    for (;;) {
      const hits = search.step(() => true);
      if (hits === "gone") throw new Error("the index is gone");
      if (hits !== null) return hits;
    }
  }

  dispose(): void {
    this.store.close();
    rmSync(this.#folder, { recursive: true });
  }

  #open(): SqliteStore {
    return openSqliteStore(path.join(this.#folder, "store.sqlite"), {
      vectorMemoryBytesMax: this.#memoryBytesMax,
    });
  }
}

let fixture: Fixture | null = null;
afterEach(() => {
  fixture?.dispose();
  fixture = null;
});

const idOf = (n: number): string => String.fromCharCode(n >> 7, n & 127).padStart(16, "\x80");
const query = (components: readonly number[], dimensions: number): Float32Array =>
  Float32Array.from({ length: dimensions }, (_, i) => components[i % components.length] as number);

const entryArbitrary = (dimensions: number) =>
  fc
    .record({
      vector: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 4, maxLength: 4 }),
      filters: fc.tuple(fc.constantFrom("", "a", "ab", "\0"), fc.constantFrom("a", "\xff".repeat(32))),
    })
    .map(({ vector, filters }): VectorEntry => ({ vector: query(vector, dimensions), filters }));

type Step =
  | { readonly kind: "write"; readonly n: number; readonly entry: VectorEntry | null }
  | { readonly kind: "persist" | "crash" | "rebuild" }
  | {
      readonly kind: "search";
      readonly vector: Float32Array;
      readonly conditions: readonly VectorCondition[] | null;
      readonly limit: number;
    };

function stepArbitrary(dimensions: number): fc.Arbitrary<Step> {
  const condition = fc.record({
    position: fc.nat(1),
    key: fc.constantFrom("", "a", "ab", "b", "\xff".repeat(32)),
  });
  const write = fc.record({
    kind: fc.constant("write" as const),
    n: fc.nat(12),
    entry: fc.option(entryArbitrary(dimensions), { freq: 3 }),
  });
  const search = fc.record({
    kind: fc.constant("search" as const),
    vector: entryArbitrary(dimensions).map(({ vector }) => vector),
    conditions: fc.option(fc.array(condition, { maxLength: 3 })),
    limit: fc.nat(14),
  });
  const plain = fc.record({
    kind: fc.constantFrom("persist" as const, "crash" as const, "rebuild" as const),
  });
  return fc.oneof(
    { weight: 6, arbitrary: write },
    { weight: 2, arbitrary: plain },
    { weight: 3, arbitrary: search },
  );
}

describe("vector search", () => {
  it.each([4, 260])(
    "of %i dimensions equals a look at every vector, through writes, crashes and backfills",
    (dimensions) => {
      fc.assert(
        fc.property(fc.array(stepArbitrary(dimensions), { maxLength: 60 }), (steps) => {
          const model = new Model();
          let persisted = new Map<string, VectorEntry>();
          fixture = new Fixture(dimensions);
          for (const step of steps) {
            switch (step.kind) {
              case "write": {
                const id = idOf(step.n);
                fixture.write([{ id, existed: model.entries.has(id), after: step.entry }]);
                if (step.entry === null) model.entries.delete(id);
                else model.entries.set(id, step.entry);
                break;
              }
              case "persist":
                fixture.store.persist();
                persisted = new Map(model.entries);
                break;
              case "crash":
                fixture.reopen();
                model.entries.clear();
                for (const [id, entry] of persisted) model.entries.set(id, entry);
                break;
              case "rebuild":
                rebuild(fixture, model);
                fixture.store.persist();
                persisted = new Map(model.entries);
                break;
              case "search":
                expect(fixture.search(step.vector, step.conditions, step.limit)).toEqual(
                  model.search(step.vector, step.conditions, step.limit),
                );
            }
          }
          fixture.dispose();
          fixture = null;
        }),
        { numRuns: 150 },
      );
    },
  );

  /** Of 3,000: what does not fit in memory is read again for every search. */
  it.each([
    [8, 1000],
    [300, 3000],
    [1536, 700],
  ])("of %i dimensions finds the nearest of %i, in memory for two segments", (dimensions, count) => {
    const [model, normal] = [new Model(), normals(dimensions)];
    fixture = new Fixture(dimensions);
    const vectorOf = () => Float32Array.from({ length: dimensions }, normal);
    for (let n = 0; n < count; n++) {
      const entry = { vector: vectorOf(), filters: [`k${n % 7}`, ""] };
      model.entries.set(idOf(n), entry);
      fixture.write([{ id: idOf(n), existed: false, after: entry }]);
    }
    for (const conditions of [null, [{ position: 0, key: "k3" }]]) {
      for (let i = 0; i < 5; i++) {
        const vector = vectorOf();
        expect(fixture.search(vector, conditions, 10)).toEqual(model.search(vector, conditions, 10));
      }
    }
    fixture.store.persist();
    fixture.reopen();
    const vector = vectorOf();
    expect(fixture.search(vector, null, 256)).toEqual(model.search(vector, null, 256));
  });

  it("shows a document once and no document that is gone, whatever is written between its steps", () => {
    const dimensions = 1536;
    const normal = normals(7);
    const vectorOf = () => Float32Array.from({ length: dimensions }, normal);
    fixture = new Fixture(dimensions, 1 << 30);
    const entries = Array.from({ length: 600 }, () => ({ vector: vectorOf(), filters: ["a", ""] }));
    fixture.write(entries.map((after, n) => ({ id: idOf(n), existed: false, after })));
    const target = entries[5] as VectorEntry;
    const search = new VectorSearch(fixture.store, {
      index: byVector,
      vector: target.vector,
      conditions: null,
      limit: 5,
    });
    expect(search.step(() => true)).toBeNull();
    // Leaves its slot, which another document takes, and comes back to one in a segment that is still to be scanned.
    fixture.write([
      { id: idOf(5), existed: true, after: null },
      { id: idOf(580), existed: true, after: null },
    ]);
    fixture.write([{ id: idOf(5), existed: false, after: target }]);
    fixture.write([{ id: idOf(700), existed: false, after: { vector: target.vector, filters: ["a", ""] } }]);
    let hits = search.step(() => true);
    while (hits === null) hits = search.step(() => true);
    if (hits === "gone") throw new Error("the index is gone");
    const ids = hits.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.slice(0, 2)).toEqual([idOf(5), idOf(700)]);
    expect(ids).not.toContain(idOf(580));
  });

  it("ends when its index is dropped", () => {
    fixture = new Fixture(2);
    fixture.write([{ id: idOf(1), existed: false, after: { vector: query([1], 2), filters: ["", ""] } }]);
    const search = new VectorSearch(fixture.store, {
      index: byVector,
      vector: query([1], 2),
      conditions: null,
      limit: 5,
    });
    expect(search.step(() => true)).toBeNull();
    fixture.store.dropIndex(byVector);
    expect(search.step(() => true)).toBe("gone");
  });
});

/** Drops the index and builds it anew, with a write between the slices for every document. */
function rebuild(target: Fixture, model: Model): void {
  const { store } = target;
  store.dropIndex(byVector);
  target.create();
  const documents = [...model.entries].map(([id, entry]) => ({ id, entry }));
  const half = documents.length >> 1;
  store.backfillVectorIndex(byVector, documents.slice(0, half));
  // Neither document has an entry or not for what the index knows: it has come to one of them only.
  for (const document of [documents[0], documents.at(-1)]) {
    if (document === undefined) continue;
    const { id, entry } = document;
    const change = { index: byVector, existed: true, after: { ...entry, filters: ["a", "a"] } };
    const write = { tablet, id, idText: id, before: null, after: null, keys: [], vectors: [change] };
    store.applyCommit(store.appliedTs() + 1n, [write], null);
    model.entries.set(id, change.after);
  }
  store.backfillVectorIndex(
    byVector,
    documents.slice(half).map(({ id }) => ({ id, entry: model.entries.get(id) as VectorEntry })),
  );
}
