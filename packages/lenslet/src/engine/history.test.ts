import { describe, expect, it } from "vitest";
import type { DocumentWrite } from "../store/store.ts";
import {
  CommitHistory,
  historyAgeMaxMs,
  historyTextBytesMax,
  historyWritesMax,
  quietWritesMax,
  recentAgeMaxMs,
} from "./history.ts";

function writes(name: string, count = 1): readonly DocumentWrite[] {
  return Array.from({ length: count }, () => ({ idText: name }) as DocumentWrite);
}
function namesBack(history: CommitHistory, ts: bigint): string[] | null {
  return history.undoTo(ts)?.map((commit) => commit[0]?.idText ?? "") ?? null;
}

describe("commit history", () => {
  it("gives the commits after a timestamp, newest first", () => {
    const history = new CommitHistory(10n);
    for (const ts of [12n, 14n, 16n]) history.add(ts, 0, writes(`c${ts}`));
    expect(namesBack(history, 16n)).toEqual([]);
    expect(namesBack(history, 15n)).toEqual(["c16"]);
    expect(namesBack(history, 14n)).toEqual(["c16"]);
    expect(namesBack(history, 10n)).toEqual(["c16", "c14", "c12"]);
    expect(namesBack(history, 9n)).toBeNull();
  });

  it("forgets what is too old", () => {
    const history = new CommitHistory(0n);
    history.add(1n, 0, writes("a"));
    history.add(2n, 10, writes("b"));
    history.add(3n, historyAgeMaxMs + 5, writes("c"));
    expect(namesBack(history, 0n)).toBeNull();
    expect(namesBack(history, 1n)).toEqual(["c", "b"]);
    history.add(4n, historyAgeMaxMs + 11, writes("d"));
    expect(namesBack(history, 1n)).toBeNull();
    expect(namesBack(history, 2n)).toEqual(["d", "c"]);
  });

  it("keeps what is not recent any more only while it is little", () => {
    const history = new CommitHistory(0n);
    history.add(1n, 0, writes("old"));
    history.add(2n, recentAgeMaxMs + 1, writes("few", 10));
    expect(namesBack(history, 0n)).toEqual(["few", "old"]);
    history.add(3n, recentAgeMaxMs + 2, writes("many", quietWritesMax));
    expect(namesBack(history, 0n)).toBeNull();
    expect(namesBack(history, 1n)).toEqual(["many", "few"]);
  });

  it("forgets when it holds too many writes, and keeps counting right after it was cut", () => {
    const history = new CommitHistory(0n);
    for (let ts = 1n; ts <= 3000n; ts++) history.add(ts, Number(ts) * 160, writes(`c${ts}`));
    const oldest = 3000n - BigInt(historyAgeMaxMs / 160);
    expect(namesBack(history, oldest - 2n)).toBeNull();
    expect(namesBack(history, oldest)).toHaveLength(historyAgeMaxMs / 160);
    history.add(3001n, 480_000, writes("big", historyWritesMax));
    expect(namesBack(history, 3000n)).toEqual(["big"]);
    expect(namesBack(history, 2999n)).toBeNull();
    history.add(3002n, 480_000, writes("d"));
    expect(namesBack(history, 3000n)).toBeNull();
    expect(namesBack(history, 3001n)).toEqual(["d"]);
  });

  it("forgets when its documents have too much text, before and after", () => {
    const history = new CommitHistory(0n);
    const document = { json: "x".repeat(historyTextBytesMax / 4) };
    const replacing = [{ idText: "r", before: document, after: document } as unknown as DocumentWrite];
    for (const ts of [1n, 2n]) history.add(ts, 0, replacing);
    expect(namesBack(history, 0n)).toEqual(["r", "r"]);
    history.add(3n, 0, replacing);
    expect(namesBack(history, 0n)).toBeNull();
    expect(namesBack(history, 1n)).toEqual(["r", "r"]);
    history.add(4n, 0, writes("small"));
    expect(namesBack(history, 1n)).toEqual(["small", "r", "r"]);
  });

  it("forgets on demand", () => {
    const history = new CommitHistory(0n);
    for (const ts of [1n, 2n, 3n]) history.add(ts, 0, writes(`c${ts}`));
    history.forgetBefore(2n);
    expect(namesBack(history, 1n)).toBeNull();
    expect(namesBack(history, 2n)).toEqual(["c3"]);
    history.add(4n, 0, writes("c4"));
    expect(namesBack(history, 2n)).toEqual(["c4", "c3"]);
  });
});
