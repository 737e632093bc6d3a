import { spawn } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import type { LogRecord } from "../log.ts";
import { readAll } from "../logContract.ts";
import { temporaryFolder, testClock } from "../testSupport.ts";
import { cellsOf } from "./cells.ts";
import { openLocalLog } from "./localLog.ts";
import { LocalLogThread } from "./logThread.ts";

const fixture = new URL("./appendLoop.fixture.ts", import.meta.url);
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = temporaryFolder();
  folders.push(folder);
  return folder;
}

/** The fixture writes 1, 2, 3, ... with a payload that follows from the ts. */
function expectUnbroken(records: readonly LogRecord[], after = 0n): void {
  for (const [i, { ts, payload }] of records.entries()) {
    if (ts !== after + BigInt(i + 1) || payload !== `${ts}:${"x".repeat(Number(ts % 300n))}`) {
      expect.fail(`record ${i} is ${ts} ${payload}`);
    }
  }
}

describe("an engine thread that is terminated while it appends", () => {
  it("leaves everything it was told is durable to its successor, without a gap", async () => {
    const thread = await LocalLogThread.start({ folder: newFolder() });
    const acknowledged = new SharedArrayBuffer(8);
    const cells = cellsOf(acknowledged);
    for (let generation = 1n; generation <= 5n; generation++) {
      const before = Atomics.load(cells, 0);
      const connection = thread.connect();
      const worker = new Worker(fixture, {
        workerData: { connection, acknowledged },
        transferList: [connection.port],
      });
      while (Atomics.load(cells, 0) < before + 50n * generation) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await worker.terminate();

      const log = openLocalLog(thread.connect(), { clock: testClock });
      const records = await readAll(log);
      expect(BigInt(records.length)).toBeGreaterThanOrEqual(Atomics.load(cells, 0));
      expect(log.lastTs()).toBe(BigInt(records.length));
      expectUnbroken(records);
      await log.close();
    }
    await thread.close();
  });
});

/** Has the fixture write until it was told that so many are durable, and kills it; answers what it was told last. */
async function killedAt(until: bigint, folder: string, keptRecords = 0): Promise<bigint> {
  const child = spawn(process.execPath, [fileURLToPath(fixture), folder, String(keptRecords)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let acknowledgedTs = 0n;
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-1000);
    const lines = output.split("\n").slice(0, -1);
    acknowledgedTs = BigInt(lines.at(-1) || acknowledgedTs);
    if (acknowledgedTs >= until) child.kill("SIGKILL");
  });
  await new Promise((resolve) => child.once("close", resolve));
  expect(acknowledgedTs).toBeGreaterThanOrEqual(until);
  return acknowledgedTs;
}

describe("a process that is killed while it appends", () => {
  it("and trims finds everything that it has not trimmed, without a gap", async () => {
    const folder = newFolder();
    const keptRecords = 500n;
    let acknowledgedTs = 0n;
    for (let generation = 0; generation < 5; generation++) {
      acknowledgedTs = await killedAt(acknowledgedTs + 1500n, folder, Number(keptRecords));
      const thread = await LocalLogThread.start({ folder });
      const log = openLocalLog(thread.connect(), { clock: testClock });
      const trimmedTs = log.trimmedTs();
      expect(trimmedTs).toBeGreaterThan(0n);
      expect(log.firstTs()).toBe(trimmedTs + 1n);
      const records = await readAll(log, trimmedTs);
      expect(trimmedTs + BigInt(records.length)).toBeGreaterThanOrEqual(acknowledgedTs);
      expect(BigInt(records.length)).toBeGreaterThanOrEqual(keptRecords);
      expectUnbroken(records, trimmedTs);
      await expect(readAll(log, trimmedTs - 1n)).rejects.toMatchObject({ code: "LogTrimmed" });
      acknowledgedTs = log.lastTs();
      await log.close();
      await thread.close();
    }
  });

  it("finds everything it was told is durable", async () => {
    const folder = newFolder();
    let acknowledgedTs = 0n;
    for (let generation = 0; generation < 3; generation++) {
      acknowledgedTs = await killedAt(acknowledgedTs + 300n, folder);

      const thread = await LocalLogThread.start({ folder });
      const log = openLocalLog(thread.connect(), { clock: testClock });
      const records = await readAll(log);
      expect(BigInt(records.length)).toBeGreaterThanOrEqual(acknowledgedTs);
      expectUnbroken(records);
      await log.close();
      await thread.close();
    }
  });
});
