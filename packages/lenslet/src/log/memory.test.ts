import { describe, expect, it } from "vitest";
import { codeOf, logContract, readAll, record } from "./logContract.ts";
import type { LogHarness } from "./logContract.ts";
import { MemoryLog } from "./memory.ts";

async function harnessOf(log: MemoryLog): Promise<LogHarness> {
  return {
    log,
    trimsSmallLogs: true,
    async reopen() {
      await log.close();
      return harnessOf(log.crash());
    },
    dispose: () => log.close(),
  };
}

logContract("MemoryLog", () => harnessOf(new MemoryLog()));

describe("MemoryLog's disk", () => {
  const manual = (): MemoryLog => new MemoryLog({ durability: "manual" });

  it("makes nothing durable before sync, and as much as sync says", async () => {
    const log = manual();
    const announced: bigint[] = [];
    log.onDurable((ts) => announced.push(ts));
    log.append([record(1), record(2), record(3)]);
    await Promise.resolve();
    expect(log.durableTs()).toBe(0n);
    expect(log.backlogSize()).toBeGreaterThan(0);
    log.sync(2n);
    await Promise.resolve();
    expect(announced).toEqual([2n]);
    expect(log.durableTs()).toBe(2n);
  });

  it("loses the unsynced tail in a crash, or a part of it", async () => {
    const log = manual();
    log.append([record(1), record(2), record(3), record(4)]);
    log.sync(2n);
    expect(await readAll(log.crash())).toEqual([record(1), record(2)]);
    expect(await readAll(log.crash(1))).toEqual([record(1), record(2), record(3)]);
  });

  it("calls nobody after a crash", async () => {
    const log = new MemoryLog();
    const announced: bigint[] = [];
    log.onDurable((ts) => announced.push(ts));
    log.append([record(1)]);
    log.sync();
    const next = log.crash();
    await Promise.resolve();
    expect(announced).toEqual([]);
    expect(next.durableTs()).toBe(1n);
    expect(() => log.append([record(2)])).toThrow("closed");
  });

  it("fails on command: reports it once, drops later records, releases nothing", async () => {
    const log = manual();
    const failures: Error[] = [];
    log.onFailure((error) => failures.push(error));
    log.append([record(1)]);
    log.fail(new Error("disk full"));
    log.fail(new Error("again"));
    log.append([record(2)]);
    log.sync();
    await Promise.resolve();
    log.onFailure((error) => failures.push(error));
    await Promise.resolve();
    expect(failures.map(({ message }) => message)).toEqual(["disk full", "disk full"]);
    expect(log.durableTs()).toBe(0n);
    expect(() => log.waitDurableSync(1n, 1000)).toThrow("disk full");
    expect(await codeOf(readAll(log))).toBe("Error: disk full");
    await log.close();
  });
});
