import { expect, it } from "vitest";
import { storeContract } from "../../lenslet/src/store/storeContract.ts";
import { byId, byTag, keyOf, tablet, versionOf } from "../../lenslet/src/store/storeModel.ts";
import { openSqliteStore } from "../../lenslet/src/store/sqliteStore.ts";
import type { Store } from "../../lenslet/src/store/store.ts";
import { MemoryStore } from "./memoryStore.ts";

const openStore = () => new MemoryStore(() => openSqliteStore(":memory:"));

storeContract("memory, for tests of functions", false, () => ({ open: openStore, remove: () => {} }));

/** A fork is a store like any other. */
storeContract("memory, a fork", false, () => ({ open: () => openStore().fork(), remove: () => {} }));

const [first, second] = ["\x81", "\x82"].map((text) => text.padStart(16, "\x80")) as [string, string];
const searchIndex = 90;

function insert(store: Store, ts: bigint, id: string, tag: string): void {
  const after = versionOf(id, tag);
  const keys = [byId, byTag].map((index) => ({ index, before: null, after: keyOf(index, after) }));
  store.applyCommit(ts, [{ tablet, id, idText: `id-${id}`, before: null, after, keys }], null);
}

function tagsOf(store: Store): unknown[] {
  return store.scan(byTag, tablet, "", null, "asc", 10).map(({ document }) => document.value["tag"]);
}

it("forks begin with the same contents and go their own ways", () => {
  const base = openStore();
  base.createTablet(tablet, byId);
  base.createIndex(byTag, tablet);
  base.createSearchIndex(searchIndex, tablet);
  insert(base, 5n, first, "base");
  const [one, other] = [base.fork(), base.fork()];
  insert(one, 3n, second, "one");
  other.dropTablet(tablet);
  expect(tagsOf(base)).toEqual(["base"]);
  expect(tagsOf(one)).toEqual(["base", "one"]);
  expect(one.count(tablet)).toBe(2);
  expect(() => other.get(tablet, first)).toThrow();
  expect(one.searchReader(searchIndex)).toBeDefined();
  expect(tagsOf(base.fork())).toEqual(["base"]);
  one.close();
});
