import { expect, it } from "vitest";
import { type CallReads, fetchesMax, FileReads } from "./fileReads.ts";

/** A store that answers when it is told to. */
class Store {
  readonly waiting: { readonly key: string; readonly answer: (bytes: Uint8Array | null) => void }[] = [];
  readonly reads: FileReads;

  constructor(bytesMax: number) {
    this.reads = new FileReads(
      (key) => new Promise((answer) => this.waiting.push({ key, answer })),
      bytesMax,
    );
  }

  /** Answers everything that is or comes to be asked for, with the key as contents; returns the keys in order. */
  async answerAll(): Promise<string[]> {
    const keys: string[] = [];
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.waiting.shift();
      if (next === undefined) return keys;
      keys.push(next.key);
      next.answer(Buffer.from(next.key));
    }
  }
}

const files = (...sizes: readonly (readonly [key: string, size: number])[]) =>
  sizes.map(([key, size]) => ({ key, size }));
/** The contents under each key, as texts. */
async function got(read: ReturnType<CallReads["read"]>): Promise<Record<string, string> | null> {
  const result = await read;
  if (result === null) return null;
  return Object.fromEntries(Array.from(result.files, ([key, { bytes }]) => [key, String(bytes)]));
}

it("fetches what is missing, and forgets what is not wanted any more", async () => {
  const store = new Store(100);
  const call = store.reads.open();
  const first = got(call.read(files(["a", 10], ["b", 10])));
  expect(await store.answerAll()).toEqual(["a", "b"]);
  expect(await first).toEqual({ a: "a", b: "b" });
  const second = got(call.read(files(["b", 10], ["c", 90])));
  expect(await store.answerAll()).toEqual(["c"]);
  expect(await second).toEqual({ b: "b", c: "c" });
});

it("makes calls wait in line for room, and gives none up", async () => {
  const store = new Store(100);
  const calls = ["a", "b", "c"].map((key) => {
    const call = store.reads.open();
    return { call, read: got(call.read(files([key, 60]))) };
  });
  for (const [i, key] of ["a", "b", "c"].entries()) {
    expect(await store.answerAll()).toEqual([key]);
    expect(await calls[i]?.read).toEqual({ [key]: key });
    calls[i]?.call.close();
  }
});

it("lets no two calls wait for each other's room", async () => {
  const store = new Store(100);
  const [one, two] = [store.reads.open(), store.reads.open()];
  const begun = [got(one.read(files(["a", 50]))), got(two.read(files(["b", 50])))];
  await store.answerAll();
  expect(await Promise.all(begun)).toEqual([{ a: "a" }, { b: "b" }]);
  const more = [got(one.read(files(["a", 50], ["c", 50]))), got(two.read(files(["b", 50], ["d", 50])))];
  // The one that asks first has given up what it had, and has to fetch it again.
  expect(await store.answerAll()).toEqual(["a", "c"]);
  expect(await more[0]).toEqual({ a: "a", c: "c" });
  one.close();
  expect(await store.answerAll()).toEqual(["b", "d"]);
  expect(await more[1]).toEqual({ b: "b", d: "d" });
});

it("lets a call have all the room, not more than there is", async () => {
  const store = new Store(100);
  const call = store.reads.open();
  const read = got(call.read(files(["a", 1000])));
  await store.answerAll();
  expect(await read).toEqual({ a: "a" });
});

it("gives back the room of a call that is closed, at whatever it waits for", async () => {
  const store = new Store(100);
  const [fetching, inLine, last] = [store.reads.open(), store.reads.open(), store.reads.open()];
  const reads = [
    got(fetching.read(files(["a", 100]))),
    got(inLine.read(files(["b", 100]))),
    got(last.read(files(["c", 100]))),
  ];
  await new Promise((resolve) => setImmediate(resolve));
  inLine.close();
  fetching.close();
  expect(await store.answerAll()).toEqual(["a", "c"]);
  expect(await Promise.all(reads)).toEqual([null, null, { c: "c" }]);
});

it("fetches so many at a time", async () => {
  const store = new Store(1000);
  const wanted = Array.from({ length: fetchesMax + 5 }, (_, i) => [`k${i}`, 1] as const);
  const read = got(store.reads.open().read(files(...wanted)));
  await new Promise((resolve) => setImmediate(resolve));
  expect(store.waiting).toHaveLength(fetchesMax);
  expect(await store.answerAll()).toHaveLength(wanted.length);
  expect(Object.keys((await read) ?? {})).toHaveLength(wanted.length);
});
