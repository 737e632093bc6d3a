import { parentPort, workerData } from "node:worker_threads";
import { cellsOf } from "./cells.ts";
import { openLocalLog } from "./localLog.ts";
import { LocalLogThread } from "./logThread.ts";
import type { LogConnection } from "./messages.ts";

/**
 * An "engine" for the crash tests: reads the log, then appends without end and tells what was acknowledged. As a
 * worker it gets its connection from the test; as a process it has the log thread itself and prints.
 */
export interface AppendLoopSettings {
  readonly connection: LogConnection;
  /** One cell: the greatest acknowledged ts. */
  readonly acknowledged: SharedArrayBuffer;
}

const clock = { nowMs: () => 0, monotonicMs: () => performance.now() };

async function appendForEver(
  connection: LogConnection,
  acknowledge: (ts: bigint) => void,
  keptRecords = 0n,
): Promise<void> {
  const log = openLocalLog(connection, { clock });
  for await (const _ of log.readAfter(log.trimmedTs()));
  for (let ts = log.lastTs() + 1n; ;) {
    const batch = Array.from({ length: 1 + Number(ts % 5n) }, () => {
      const payload = `${ts}:${"x".repeat(Number(ts % 300n))}`;
      return { ts: ts++, payload };
    });
    log.append(batch);
    // Not every batch is waited for, so that some are on their way when the end comes.
    if (ts % 3n !== 0n) continue;
    log.waitDurableSync(ts - 1n, 10_000);
    acknowledge(ts - 1n);
    if (keptRecords === 0n) continue;
    // Not waited for: the next appends meet the trim. The turn lets its answers in.
    void log.trim(ts - keptRecords);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const folder = process.argv[2];
if (parentPort !== null) {
  const { connection, acknowledged } = workerData as AppendLoopSettings;
  const cells = cellsOf(acknowledged);
  await appendForEver(connection, (ts) => {
    Atomics.store(cells, 0, ts);
  });
} else if (folder !== undefined) {
  const { writeSync } = await import("node:fs");
  const thread = await LocalLogThread.start({ folder, segmentBytesMax: 20_000 });
  const keptRecords = BigInt(process.argv[3] ?? 0);
  await appendForEver(thread.connect(), (ts) => writeSync(1, `${ts}\n`), keptRecords);
}
