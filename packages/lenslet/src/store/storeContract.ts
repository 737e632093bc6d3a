import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DocumentWrite, Store, StoredDocument } from "./store.ts";
import { searchTests } from "./storeSearchContract.ts";
import { byCreation, byId, byTag, keyOf, ModelStore, tablet, versionOf } from "./storeModel.ts";

/** One place that holds a store. Only one store may be open at a time. */
export interface StoreFixture {
  open(): Store;
  remove(): void;
}

/** The contract of store.ts, for every implementation. `reopens`: `open` finds what was persisted before a `close`. */
export function storeContract(name: string, reopens: boolean, createFixture: () => StoreFixture): void {
  describe(`store contract: ${name}`, () => {
    let fixture: StoreFixture;
    let store: Store;
    beforeEach(() => {
      fixture = createFixture();
      store = fixture.open();
    });
    afterEach(() => {
      store.close();
      fixture.remove();
    });
    const reopen = (): Store => {
      store.close();
      store = fixture.open();
      return store;
    };

    commitTests(() => store);
    describe("scan", () => scanTests(() => store));
    structureTests(() => store);
    requestTests(() => store);
    if (reopens) reopenTests(() => store, reopen);
    describe("text search indexes", () => searchTests(() => store, reopens ? reopen : null));
    modelTests(reopens, createFixture);
  });
}

function createTable(store: Store): void {
  store.createTablet(tablet, byId);
  store.createIndex(byCreation, tablet);
  store.createIndex(byTag, tablet);
}

function idOf(n: number): string {
  return String.fromCharCode(n).padStart(16, "\x80");
}

/** A write of one document, with its previous version taken from the store. */
function writeOf(store: Store, id: string, tag: string | null): DocumentWrite {
  return change(id, store.get(tablet, id), tag === null ? null : versionOf(id, tag));
}

function change(id: string, before: StoredDocument | null, after: StoredDocument | null): DocumentWrite {
  const keys = [byId, byCreation, byTag].map((index) => ({
    index,
    before: before === null ? null : keyOf(index, before),
    after: after === null ? null : keyOf(index, after),
  }));
  return { tablet, id, idText: `id-${id}`, before, after, keys };
}

function tagsByTag(store: Store): unknown[] {
  return store.scan(byTag, tablet, "", null, "asc", 1000).map(({ document }) => document.value["tag"]);
}

function commitTests(current: () => Store): void {
  it("starts empty", () => {
    expect(current().appliedTs()).toBe(0n);
    expect(current().greatestPhysicalId()).toBe(0);
  });

  it("shows a commit at once, and every version's own text, value, size and id", () => {
    const store = current();
    createTable(store);
    const document = versionOf(idOf(1), "a");
    store.applyCommit(5n, [change(idOf(1), null, document)], null);
    const read = store.get(tablet, idOf(1));
    expect(read?.json).toBe(document.json);
    expect(read?.value).toEqual({ _creationTime: 1, _id: "id-" + idOf(1), tag: "a" });
    expect(read?.size).toBe(document.size);
    expect(read?.idText).toBe("id-" + idOf(1));
    expect(store.appliedTs()).toBe(5n);
    expect(store.get(tablet, idOf(2))).toBeNull();
  });

  it("refuses a commit that is not newer", () => {
    const store = current();
    store.applyCommit(5n, [], null);
    expect(() => store.applyCommit(5n, [], null)).toThrow("commitTs must increase");
    expect(() => store.applyCommit(4n, [], null)).toThrow("commitTs must increase");
    expect(store.appliedTs()).toBe(5n);
  });

  it("counts documents", () => {
    const store = current();
    createTable(store);
    expect(store.count(tablet)).toBe(0);
    store.applyCommit(
      1n,
      [1, 2, 3].map((n) => writeOf(store, idOf(n), "a")),
      null,
    );
    store.applyCommit(2n, [writeOf(store, idOf(1), "b"), writeOf(store, idOf(2), null)], null);
    expect(store.count(tablet)).toBe(2);
  });

  it("holds documents of any size and text", () => {
    const store = current();
    createTable(store);
    const texts = ["\u0000\u001e", "ü€😀", "x".repeat(3_000_000)];
    store.applyCommit(
      1n,
      texts.map((text, n) => writeOf(store, idOf(n), text)),
      null,
    );
    store.scan(byId, tablet, "", null, "asc", 1);
    for (const [n, text] of texts.entries()) expect(store.get(tablet, idOf(n))?.value["tag"]).toBe(text);
  });
}

function scanTests(current: () => Store): void {
  beforeEach(() => {
    const store = current();
    createTable(store);
    const tags = ["b", "a", "", "a\xff", "a\0"];
    store.applyCommit(
      1n,
      tags.map((tag, n) => writeOf(store, idOf(n), tag)),
      null,
    );
  });
  const scan = (lower: string, upper: string | null, order: "asc" | "desc", limit = 100) =>
    current()
      .scan(byTag, tablet, lower, upper, order, limit)
      .map(({ document }) => document.value["tag"]);

  // Keys are tag ++ id and ids begin with 0x80 here, so the empty tag comes last.
  it("orders keys as bytes, both ways", () => {
    expect(scan("", null, "asc")).toEqual(["a\0", "a", "a\xff", "b", ""]);
    expect(scan("", null, "desc")).toEqual(["", "b", "a\xff", "a", "a\0"]);
  });

  it("includes the lower bound and excludes the upper", () => {
    const [, second, third] = current().scan(byTag, tablet, "", null, "asc", 3);
    expect(scan(second?.key ?? "", third?.key ?? "", "asc")).toEqual(["a"]);
    expect(scan(second?.key ?? "", third?.key ?? "", "desc")).toEqual(["a"]);
    expect(scan(third?.key ?? "", second?.key ?? "", "asc")).toEqual([]);
  });

  it("stops at the limit, from the end that the order begins with", () => {
    expect(scan("", null, "asc", 2)).toEqual(["a\0", "a"]);
    expect(scan("", null, "desc", 2)).toEqual(["", "b"]);
    expect(scan("", null, "asc", 0)).toEqual([]);
  });

  it("gives the key with each row", () => {
    for (const { key, document } of current().scan(byTag, tablet, "", null, "asc", 10)) {
      expect(key).toBe(keyOf(byTag, document));
    }
    const ids = current().scan(byId, tablet, idOf(1), idOf(3), "desc", 10);
    expect(ids.map(({ key }) => key)).toEqual([idOf(2), idOf(1)]);
  });

  it("follows a document whose key changes, and changes back, between scans and without", () => {
    const store = current();
    store.applyCommit(2n, [writeOf(store, idOf(0), "z")], null);
    expect(tagsByTag(store)).toEqual(["a\0", "a", "a\xff", "z", ""]);
    store.applyCommit(3n, [writeOf(store, idOf(0), "0")], null);
    store.applyCommit(4n, [writeOf(store, idOf(0), "z")], null);
    expect(tagsByTag(store)).toEqual(["a\0", "a", "a\xff", "z", ""]);
    store.applyCommit(5n, [writeOf(store, idOf(0), "1")], null);
    store.applyCommit(6n, [writeOf(store, idOf(0), null)], null);
    expect(tagsByTag(store)).toEqual(["a\0", "a", "a\xff", ""]);
  });
}

function structureTests(current: () => Store): void {
  it("creates and drops idempotently, and never forgets the greatest physical id", () => {
    const store = current();
    createTable(store);
    createTable(store);
    store.createIndex(900, tablet);
    store.dropIndex(900);
    store.dropIndex(900);
    store.dropTablet(tablet);
    store.dropTablet(tablet);
    expect(store.greatestPhysicalId()).toBe(900);
    expect(() => store.get(tablet, idOf(1))).toThrow("a tablet is created");
  });

  it("drops a tablet with everything in it, applied or not", () => {
    const store = current();
    createTable(store);
    store.applyCommit(1n, [writeOf(store, idOf(1), "a")], null);
    store.scan(byTag, tablet, "", null, "asc", 1);
    store.applyCommit(2n, [writeOf(store, idOf(2), "b")], null);
    store.dropTablet(tablet);
    store.persist();
    createTable(store);
    expect(store.count(tablet)).toBe(0);
    expect(store.get(tablet, idOf(1))).toBeNull();
    expect(tagsByTag(store)).toEqual([]);
  });

  it("lets the commit that drops something still mention it", () => {
    const store = current();
    createTable(store);
    const first = writeOf(store, idOf(1), "a");
    store.dropIndex(byTag);
    store.applyCommit(1n, [first], null);
    expect(store.scan(byCreation, tablet, "", null, "asc", 9)).toHaveLength(1);
    const second = writeOf(store, idOf(1), null);
    store.dropTablet(tablet);
    store.applyCommit(2n, [second], null);
    expect(store.appliedTs()).toBe(2n);
  });

  it("updates a document that was read, removed and made again", () => {
    const store = current();
    createTable(store);
    const steps = ["a", null, "b", null, null, "c"];
    for (const [n, tag] of steps.entries()) {
      store.applyCommit(BigInt(n + 1), [writeOf(store, idOf(1), tag)], null);
      store.persist();
      expect(store.get(tablet, idOf(1))?.value["tag"]).toBe(tag ?? undefined);
    }
  });

  it("refuses writes to what never existed", () => {
    const store = current();
    expect(() => store.applyCommit(1n, [change(idOf(1), null, versionOf(idOf(1), "a"))], null)).toThrow(
      "tablets that exist",
    );
  });

  it("backfills an index beside the writes that keep it up to date", () => {
    const store = current();
    createTable(store);
    store.dropIndex(byTag);
    const documents = [1, 2, 3, 4].map((n) => versionOf(idOf(n), `t${n}`));
    store.applyCommit(
      1n,
      documents.map((document) => change(document.id, null, document)),
      null,
    );
    store.createIndex(byTag, tablet);
    const entries = store
      .scan(byId, tablet, "", null, "asc", 9)
      .map(({ document }) => ({ key: keyOf(byTag, document), id: document.id }));
    store.applyCommit(2n, [writeOf(store, idOf(5), "t5")], null);
    store.backfillIndex(byTag, entries.slice(0, 2));
    store.applyCommit(3n, [writeOf(store, idOf(1), "t9"), writeOf(store, idOf(4), null)], null);
    store.backfillIndex(byTag, entries.slice(2, 3));
    store.backfillIndex(byTag, entries.slice(2, 3));
    expect(tagsByTag(store)).toEqual(["t2", "t3", "t5", "t9"]);
  });
}

const request = (requestId: number, ts: bigint, sessionId = "s") => ({
  sessionId,
  requestId,
  ts,
  resultJson: `${requestId}`,
  logLinesJson: "[]",
});

function requestTests(current: () => Store): void {
  it("answers a request that was recorded, and no other", () => {
    const store = current();
    expect(store.sessionRequest("s", 1)).toBeNull();
    const ts = 1_760_000_000_123_456_789n;
    store.applyCommit(ts, [], request(1, ts));
    expect(store.sessionRequest("s", 1)).toEqual(request(1, ts));
    expect(store.sessionRequest("s", 0)).toBeNull();
    expect(store.sessionRequest("s", 2)).toBeNull();
    expect(store.sessionRequest("t", 1)).toBeNull();
  });

  it("forgets requests before a timestamp", () => {
    const store = current();
    for (let n = 1; n <= 6; n++) store.applyCommit(BigInt(n), [], request(n, BigInt(n)));
    store.persist();
    store.expireSessionRequests(4n);
    expect([1, 2, 3, 4, 5, 6].map((n) => store.sessionRequest("s", n) !== null)).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
    ]);
  });

  it("finds requests that came after a miss, in memory and below", () => {
    const store = current();
    expect(store.sessionRequest("s", 5)).toBeNull();
    store.applyCommit(1n, [], request(5, 1n));
    expect(store.sessionRequest("s", 5)).toEqual(request(5, 1n));
    expect(store.sessionRequest("t", 1)).toBeNull();
    store.applyCommit(2n, [], request(1, 2n, "t"));
    // Enough to push both out of every memory of recent requests.
    for (let n = 3; n <= 10_000; n++) store.applyCommit(BigInt(n), [], request(n, BigInt(n), "other"));
    store.persist();
    expect(store.sessionRequest("s", 5)).toEqual(request(5, 1n));
    expect(store.sessionRequest("t", 1)).toEqual(request(1, 2n, "t"));
  });

  it("answers old requests when many came after them", () => {
    const store = current();
    const many = 10_000;
    for (let n = 1; n <= many; n++) store.applyCommit(BigInt(n), [], request(n, BigInt(n), `s${n % 7}`));
    for (const n of [1, 8, many]) {
      expect(store.sessionRequest(`s${n % 7}`, n)).toEqual(request(n, BigInt(n), `s${n % 7}`));
    }
    expect(store.sessionRequest("s0", 1)).toBeNull();
  });
}

function reopenTests(current: () => Store, reopen: () => Store): void {
  it("finds what was persisted and nothing later", () => {
    const store = current();
    createTable(store);
    store.applyCommit(1n, [writeOf(store, idOf(1), "a")], request(1, 1n));
    store.persist();
    store.applyCommit(2n, [writeOf(store, idOf(1), "b"), writeOf(store, idOf(2), "c")], request(2, 2n));
    store.createIndex(900, tablet);
    store.expireSessionRequests(2n);
    const reopened = reopen();
    expect(reopened.appliedTs()).toBe(1n);
    expect(reopened.count(tablet)).toBe(1);
    expect(tagsByTag(reopened)).toEqual(["a"]);
    expect(reopened.get(tablet, idOf(2))).toBeNull();
    expect(reopened.sessionRequest("s", 1)).toEqual(request(1, 1n));
    expect(reopened.sessionRequest("s", 2)).toBeNull();
    expect(reopened.greatestPhysicalId()).toBe(byTag);
  });

  it("forgets everything when nothing was persisted", () => {
    const store = current();
    createTable(store);
    store.applyCommit(1n, [writeOf(store, idOf(1), "a")], null);
    const reopened = reopen();
    expect(reopened.appliedTs()).toBe(0n);
    expect(reopened.greatestPhysicalId()).toBe(0);
    createTable(reopened);
    expect(reopened.count(tablet)).toBe(0);
  });

  it("keeps a dropped index dropped", () => {
    const store = current();
    createTable(store);
    store.persist();
    store.dropIndex(byTag);
    store.persist();
    const reopened = reopen();
    expect(() => reopened.scan(byTag, tablet, "", null, "asc", 1)).toThrow("an index of its tablet");
    expect(reopened.greatestPhysicalId()).toBe(byTag);
  });
}

type Operation =
  | {
      readonly kind: "commit";
      readonly writes: readonly { readonly n: number; readonly tag: string | null }[];
    }
  | {
      readonly kind: "scan";
      readonly index: number;
      readonly lower: string;
      readonly upper: string | null;
      readonly order: "asc" | "desc";
      readonly limit: number;
    }
  | { readonly kind: "get"; readonly n: number }
  | { readonly kind: "rebuildIndex" }
  | { readonly kind: "persist" }
  | { readonly kind: "reopen" };

const tagText = fc.string({ unit: fc.constantFrom("\0", "a", "b", "\x7f", "ÿ"), maxLength: 3 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      writes: fc.uniqueArray(fc.record({ n: fc.nat(7), tag: fc.option(tagText, { freq: 3 }) }), {
        selector: ({ n }) => n,
        maxLength: 4,
      }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("scan" as const),
      index: fc.constantFrom(byId, byCreation, byTag),
      lower: tagText,
      upper: fc.option(tagText),
      order: fc.constantFrom("asc" as const, "desc" as const),
      limit: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("get" as const), n: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rebuildIndex" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "persist" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

function modelTests(reopens: boolean, createFixture: () => StoreFixture): void {
  it("agrees with a model over random operations", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60, size: "max" }), (operations) => {
        const fixture = createFixture();
        const run = new ModelRun(fixture, reopens);
        try {
          for (const step of operations) run.step(step);
          run.compareAll();
        } finally {
          run.store.close();
          fixture.remove();
        }
      }),
      // A store in a file costs a hundred times as much to open.
      { numRuns: reopens ? 60 : 300 },
    );
  });
}

/** Drives a store and the model side by side. */
class ModelRun {
  store: Store;
  readonly #fixture: StoreFixture;
  readonly #reopens: boolean;
  readonly #model = new ModelStore();
  #ts = 0n;

  constructor(fixture: StoreFixture, reopens: boolean) {
    this.#fixture = fixture;
    this.#reopens = reopens;
    this.store = fixture.open();
    createTable(this.store);
    this.store.persist();
  }

  step(operation: Operation): void {
    switch (operation.kind) {
      case "commit":
        this.#commit(operation.writes);
        break;
      case "scan": {
        const { index, lower, upper, order, limit } = operation;
        const rows = this.store.scan(index, tablet, lower, upper, order, limit);
        expect(rows.map(({ key, document }) => [key, document.json])).toEqual(
          this.#model.scan(index, lower, upper, order, limit),
        );
        break;
      }
      case "get":
        expect(this.store.get(tablet, idOf(operation.n))?.json).toBe(
          this.#model.documents.get(idOf(operation.n))?.json,
        );
        break;
      case "rebuildIndex":
        this.#rebuildIndex();
        break;
      case "persist":
        this.store.persist();
        this.#model.persist();
        break;
      case "reopen":
        if (!this.#reopens) break;
        this.store.close();
        this.store = this.#fixture.open();
        this.#model.rollBack();
        this.#ts = this.store.appliedTs();
        this.compareAll();
        break;
    }
  }

  compareAll(): void {
    expect(this.store.appliedTs()).toBe(this.#model.appliedTs);
    expect(this.store.count(tablet)).toBe(this.#model.documents.size);
    for (const index of [byTag, byCreation, byId]) {
      const rows = this.store.scan(index, tablet, "", null, "asc", 100);
      expect(rows.map(({ key, document }) => [key, document.json])).toEqual(
        this.#model.scan(index, "", null, "asc", 100),
      );
    }
  }

  #commit(writes: readonly { readonly n: number; readonly tag: string | null }[]): void {
    this.#ts += 1n;
    const changes: DocumentWrite[] = [];
    for (const { n, tag } of writes) {
      const before = this.store.get(tablet, idOf(n));
      const after = tag === null ? null : versionOf(idOf(n), tag);
      if (before !== null || after !== null) changes.push(change(idOf(n), before, after));
      this.#model.set(idOf(n), after);
    }
    this.store.applyCommit(this.#ts, changes, null);
    this.#model.appliedTs = this.#ts;
  }

  #rebuildIndex(): void {
    this.store.dropIndex(byTag);
    this.store.createIndex(byTag, tablet);
    const entries = [...this.#model.documents.values()].map((document) => ({
      key: keyOf(byTag, document),
      id: document.id,
    }));
    this.store.backfillIndex(byTag, entries);
  }
}
