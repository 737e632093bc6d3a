import fs from "node:fs";
import path from "node:path";
import { MessageChannel, type Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { codeOf, logContract, readAll, record, untilDurable, type LogHarness } from "../logContract.ts";
import { temporaryFolder, testClock } from "../testSupport.ts";
import { newOwnCells, newSharedCells } from "./cells.ts";
import type { LogFileSystem } from "./fileSystem.ts";
import { openLocalLog, type LocalLog } from "./localLog.ts";
import { LogServer } from "./logServer.ts";
import { LocalLogThread, type LocalLogThreadOptions } from "./logThread.ts";
import { SegmentedLog } from "./segmentedLog.ts";
import { SimulatedFileSystem } from "./simulatedFileSystem.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newFolder(): string {
  const folder = temporaryFolder();
  cleanups.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startThread(options: LocalLogThreadOptions): Promise<LocalLogThread> {
  const thread = await LocalLogThread.start(options);
  cleanups.push(() => thread.close().catch(() => {}));
  return thread;
}

function openClient(thread: LocalLogThread): LocalLog {
  const log = openLocalLog(thread.connect(), { clock: testClock });
  cleanups.push(() => log.close());
  return log;
}

async function threadHarness(options: LocalLogThreadOptions): Promise<LogHarness> {
  const thread = await LocalLogThread.start(options);
  const log = openLocalLog(thread.connect(), { clock: testClock });
  const close = async (): Promise<void> => {
    await log.close();
    await thread.close();
  };
  return {
    log,
    trimsSmallLogs: options.segmentBytesMax !== undefined,
    async reopen() {
      await close();
      return threadHarness(options);
    },
    async dispose() {
      await close();
    },
  };
}

logContract("LocalLog", () => threadHarness({ folder: path.join(newFolder(), "deep", "log") }));
logContract("LocalLog with tiny segments and groups", () =>
  threadHarness({ folder: newFolder(), segmentBytesMax: 1000, groupSizeMax: 300 }),
);

describe("a log that is trimmed while it is read", () => {
  it("keeps what the reader has still to read, until the reader has it or stops", async () => {
    const thread = await startThread({ folder: newFolder(), segmentBytesMax: 1000 });
    const writer = openClient(thread);
    const reader = openClient(thread);
    const records = Array.from({ length: 40 }, (_, i) => record(i + 1, "x".repeat(300)));
    for (const each of records) {
      writer.append([each]);
      await untilDurable(writer, each.ts);
    }
    const read: unknown[] = [];
    for await (const batch of reader.readAfter(0n)) {
      read.push(...batch);
      await writer.trim(35n);
      expect(writer.trimmedTs()).toBeLessThanOrEqual(BigInt(read.length));
    }
    expect(read).toEqual(records);
    await writer.trim(20n);
    expect(writer.trimmedTs()).toBeGreaterThan(10n);

    for await (const _ of reader.readAfter(writer.trimmedTs())) break;
    await writer.trim(35n);
    expect(writer.trimmedTs()).toBeGreaterThan(25n);
  });

  it("does not wait for readers whose thread is gone", async () => {
    const thread = await startThread({ folder: newFolder(), segmentBytesMax: 1000 });
    const writer = openClient(thread);
    for (let ts = 1; ts <= 40; ts++) {
      writer.append([record(ts, "x".repeat(300))]);
      await untilDurable(writer, BigInt(ts));
    }
    const reader = openClient(thread);
    const reading = reader.readAfter(0n)[Symbol.asyncIterator]();
    await reading.next();
    await writer.trim(35n);
    const trimmedTs = writer.trimmedTs();
    expect(trimmedTs).toBeLessThan(20n);
    await reader.close();
    await vi.waitFor(
      async () => {
        await writer.trim(35n);
        expect(writer.trimmedTs()).toBeGreaterThan(25n);
      },
      { timeout: 30_000 },
    );
  });
});

describe("several clients of one log thread", () => {
  it("gives a client that replaces another one all that the other had posted", async () => {
    const thread = await startThread({ folder: newFolder() });
    const first = openClient(thread);
    first.append([record(1), record(2)]);
    const second = openClient(thread);
    expect(await readAll(second)).toEqual([record(1), record(2)]);
    expect(second.lastTs()).toBe(2n);
    second.append([record(3)]);
    second.waitDurableSync(3n, 10_000);
    expect(await readAll(second, 1n)).toEqual([record(2), record(3)]);
  });

  it("tells every client what becomes durable", async () => {
    const thread = await startThread({ folder: newFolder() });
    const engine = openClient(thread);
    const net = openClient(thread);
    engine.append([record(1)]);
    await untilDurable(net, 1n);
    engine.append([record(2)]);
    await untilDurable(net, 2n);
    expect(net.lastTs()).toBe(2n);
  });

  it("fences a client that appends without having read what another one wrote", async () => {
    const thread = await startThread({ folder: newFolder() });
    const current = openClient(thread);
    const stale = openClient(thread);
    current.append([record(1)]);
    current.waitDurableSync(1n, 10_000);
    stale.append([record(2)]);
    const failure = new Promise<Error>((resolve) => stale.onFailure(resolve));
    expect(() => stale.waitDurableSync(2n, 10_000)).toThrow("Another client has appended");
    expect(await codeOf(failure.then((error) => Promise.reject(error)))).toBe("LogFenced");
    current.append([record(3)]);
    expect(await readAll(current)).toEqual([record(1), record(3)]);
  });

  it("reads an end that does not move while another client appends", async () => {
    const thread = await startThread({ folder: newFolder() });
    const writer = openClient(thread);
    const payload = "x".repeat(300_000);
    writer.append(Array.from({ length: 10 }, (_, i) => record(i + 1, payload)));
    await untilDurable(writer, 10n);
    const reader = openClient(thread);
    const seen: bigint[] = [];
    let next = 11;
    for await (const batch of reader.readAfter(0n)) {
      seen.push(...batch.map(({ ts }) => ts));
      writer.append([record(next, payload)]);
      next += 1;
    }
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => BigInt(i + 1)));
  });
});

describe("the log thread", () => {
  it("keeps a second one out of its folder", async () => {
    const folder = newFolder();
    const thread = await startThread({ folder });
    expect(await codeOf(LocalLogThread.start({ folder }))).toBe("LogInUse");
    await thread.close();
    const next = await startThread({ folder });
    await next.close();
  });

  it("reports a folder that cannot be used", async () => {
    const file = path.join(newFolder(), "file");
    fs.writeFileSync(file, "");
    expect(await codeOf(LocalLogThread.start({ folder: file }))).toBe("LogFailed");
  });

  it("reports its own death to every client, sleeping ones included", async () => {
    const thread = await startThread({ folder: newFolder() });
    const engine = openClient(thread);
    const net = openClient(thread);
    const failures = [engine, net].map((log) => new Promise<Error>((resolve) => log.onFailure(resolve)));
    await (thread as unknown as { worker: Worker }).worker.terminate();
    expect(() => engine.waitDurableSync(1n, 600_000)).toThrow("can no longer be written");
    for (const failure of await Promise.all(failures)) expect(failure).toMatchObject({ code: "LogFailed" });
    engine.append([record(1)]);
    expect(await codeOf(readAll(engine))).toBe("LogFailed");
    expect(await codeOf(thread.close())).toBe("LogFailed");
  });

  it("writes what was posted before close, and detaches clients in good order", async () => {
    const folder = newFolder();
    const thread = await LocalLogThread.start({ folder });
    const log = openLocalLog(thread.connect(), { clock: testClock });
    const failures: Error[] = [];
    log.onFailure((error) => failures.push(error));
    log.append([record(1)]);
    const reading = codeOf(readAll(log).then(() => readAll(log)));
    await thread.close();
    expect(["LogClosed", "no error"]).toContain(await reading);
    expect(() => log.waitDurableSync(2n, 10_000)).toThrow("has been closed");
    await log.close();
    expect(failures).toEqual([]);
    expect(await readAll(openClient(await startThread({ folder })))).toEqual([record(1)]);
  });
});

/** Server and client on this thread, over a simulated disk. */
function simulate(fileSystem: LogFileSystem): { server: LogServer; connect: () => LocalLog } {
  const shared = newSharedCells();
  const server = new LogServer(SegmentedLog.open({ fs: fileSystem, folder: "/log" }), { shared });
  cleanups.push(() => {
    try {
      server.close();
    } catch {
      // The tests that make the log fail have looked at the failure already.
    }
  });
  const connect = (): LocalLog => {
    const { port1, port2 } = new MessageChannel();
    const own = newOwnCells();
    server.attach(port2, own);
    const log = openLocalLog({ port: port1, shared, own }, { clock: testClock });
    cleanups.push(() => log.close());
    return log;
  };
  return { server, connect };
}

describe("a failing disk", () => {
  const failureOf = (log: LocalLog): Promise<Error> => new Promise((resolve) => log.onFailure(resolve));

  it("reports a full disk to every client, keeps what was durable and releases nothing else", async () => {
    const fileSystem = new SimulatedFileSystem();
    const { connect } = simulate(fileSystem);
    const engine = connect();
    const net = connect();
    engine.append([record(1)]);
    await untilDurable(engine, 1n);

    fileSystem.capacityBytes = fileSystem.contentOf("/log/log-00000000000000000001.seg").length + 10;
    const failures = [failureOf(engine), failureOf(net)];
    engine.append([record(2)]);
    for (const failure of await Promise.all(failures)) {
      expect(failure).toMatchObject({ code: "LogFailed" });
      expect(failure.message).toMatch(/ENOSPC.*Free disk space/s);
    }
    fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
    engine.append([record(3)]);
    expect(await codeOf(readAll(engine))).toBe("LogFailed");
    expect(() => net.waitDurableSync(2n, 10_000)).toThrow("can no longer be written");
    expect(engine.durableTs()).toBe(1n);
    expect(await codeOf(new Promise((_, reject) => connect().onFailure(reject)))).toBe("LogFailed");
  });

  it("does not try again after a failed sync", async () => {
    const fileSystem = new SimulatedFileSystem();
    const { connect } = simulate(fileSystem);
    const log = connect();
    log.append([record(1)]);
    await untilDurable(log, 1n);
    fileSystem.syncFails = true;
    log.append([record(2)]);
    expect((await failureOf(log)).message).toContain("EIO");
    fileSystem.syncFails = false;
    log.append([record(3)]);
    await log.close();
    expect(log.durableTs()).toBe(1n);
  });

  it("refuses a read of a damaged record and goes on writing", async () => {
    const fileSystem = new SimulatedFileSystem();
    const { connect } = simulate(fileSystem);
    const log = connect();
    log.append([record(1)]);
    await untilDurable(log, 1n);
    const file = "/log/log-00000000000000000001.seg";
    const damaged = Buffer.from(fileSystem.contentOf(file));
    damaged[90] = (damaged[90] ?? 0) ^ 1;
    fileSystem.replaceContent(file, damaged);
    expect(await codeOf(readAll(log))).toBe("LogCorrupt");
    log.append([record(2)]);
    await untilDurable(log, 2n);
  });
});

describe("group commit", () => {
  it("writes batches that arrived together with one sync", async () => {
    const fileSystem = new SimulatedFileSystem();
    let syncs = 0;
    const counting: LogFileSystem = {
      createFolder: () => fileSystem.createFolder(),
      list: (folder) => fileSystem.list(folder),
      remove: (file) => fileSystem.remove(file),
      syncFolder: () => fileSystem.syncFolder(),
      lock: (folder) => fileSystem.lock(folder),
      open: (file, mode) => {
        const handle = fileSystem.open(file, mode);
        return {
          ...handle,
          sync: () => {
            syncs += 1;
            handle.sync();
          },
        };
      },
    };
    const { connect } = simulate(counting);
    const log = connect();
    log.append([record(1)]);
    await untilDurable(log, 1n);
    syncs = 0;
    for (let ts = 2; ts <= 100; ts++) log.append([record(ts)]);
    await untilDurable(log, 100n);
    expect(syncs).toBe(1);
    expect(await readAll(log, 98n)).toEqual([record(99), record(100)]);
  });
});
