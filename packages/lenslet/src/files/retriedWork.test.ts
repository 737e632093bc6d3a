import { beforeEach, describe, expect, it } from "vitest";
import { RetriedWork, retryMs } from "./retriedWork.ts";

describe("work on the newest list", () => {
  const timers = {
    pending: new Map<() => void, number>(),
    setTimeout(callback: () => void, delayMs: number) {
      timers.pending.set(callback, delayMs);
      return () => void timers.pending.delete(callback);
    },
  };
  let runs: { readonly items: readonly string[]; readonly end: (error?: Error) => void }[];
  let failures: unknown[];
  let work: RetriedWork<string>;
  beforeEach(() => {
    [runs, failures] = [[], []];
    timers.pending.clear();
    work = new RetriedWork({
      timers,
      inOrder: (run) => run(),
      run: (items) =>
        new Promise((resolve, reject) => {
          runs.push({ items, end: (error) => (error === undefined ? resolve() : reject(error)) });
        }),
      failed: (error) => failures.push(error),
    });
  });
  const lists = () => runs.map(({ items }) => items.join());
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it("is done one list at a time; of those that come meanwhile only the last counts", async () => {
    for (const items of [["a"], ["b"], ["c", "d"]]) work.replace(items);
    expect(lists()).toEqual(["a"]);
    runs[0]?.end();
    await settled();
    expect(lists()).toEqual(["a", "c,d"]);
    runs[1]?.end();
    await settled();
    work.replace([]);
    expect(lists()).toEqual(["a", "c,d"]);
  });

  it("is tried again after a pause, or at once with what is newer", async () => {
    work.replace(["a"]);
    runs[0]?.end(new Error("no"));
    await settled();
    expect([lists(), failures.length, [...timers.pending.values()]]).toEqual([["a"], 1, [retryMs]]);
    for (const callback of timers.pending.keys()) callback();
    expect(lists()).toEqual(["a", "a"]);
    runs[1]?.end(new Error("no"));
    await settled();
    work.replace(["b"]);
    expect(lists()).toEqual(["a", "a", "b"]);
    expect(timers.pending.size).toBe(0);
  });

  it("waits while it is paused, and ends when it is closed", async () => {
    work.pause();
    work.replace(["a"]);
    expect(lists()).toEqual([]);
    work.resume();
    expect(lists()).toEqual(["a"]);
    work.close();
    runs[0]?.end(new Error("no"));
    await settled();
    work.replace(["b"]);
    expect([lists(), timers.pending.size]).toEqual([["a"], 0]);
  });
});
