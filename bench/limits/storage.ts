import fs from "node:fs";
import path from "node:path";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { Latencies, type Measurement } from "../harness/statistics.ts";
import { accountPairs } from "../load/zipf.ts";
import { openDurableSqlite } from "../peers/nodeSqliteDrizzle.ts";

// Physical limits of W1, in one process without any network: what the disk and SQLite give to as many transfers as
// the clients keep in flight, when all of them share one commit.

interface StorageLoad {
  readonly accounts: number;
  readonly alpha: number;
  /** Transfers per commit. */
  readonly group: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

const { folder } = childConfig() as { folder: string };
/** A log record with two documents of the accounts table. */
const recordBytes = 400;

function appendAndSync({ group, warmupSeconds, seconds }: StorageLoad): Measurement {
  const file = fs.openSync(path.join(folder, "log"), "w");
  const records = Buffer.alloc(recordBytes * group, "x");
  let position = 0;
  const result = measure(group, warmupSeconds, seconds, () => {
    fs.writeSync(file, records, 0, records.length, position);
    position += records.length;
    fs.fdatasyncSync(file);
  });
  fs.closeSync(file);
  return result;
}

function sqliteGroups({ accounts, alpha, group, warmupSeconds, seconds }: StorageLoad): Measurement {
  const file = path.join(folder, "limit.sqlite");
  for (const suffix of ["", "-wal", "-shm"]) fs.rmSync(file + suffix, { force: true });
  const database = openDurableSqlite(file);
  database.exec("create table accounts (number integer primary key, balance integer not null); begin");
  const insert = database.prepare("insert into accounts values (?, 1000000000)");
  for (let number = 0; number < accounts; number++) insert.run(number);
  database.exec("commit");
  const balanceOf = database.prepare("select balance from accounts where number = ?");
  const setBalance = database.prepare("update accounts set balance = ? where number = ?");
  const begin = database.prepare("begin immediate");
  const commit = database.prepare("commit");
  const pairs = accountPairs(accounts, alpha, 200_000, 7);
  let at = 0;
  const result = measure(group, warmupSeconds, seconds, () => {
    begin.run();
    for (let transfer = 0; transfer < group; transfer++) {
      const from = pairs[at] ?? 0;
      const to = pairs[at + 1] ?? 0;
      at = (at + 2) % pairs.length;
      const source = balanceOf.get(from)?.["balance"] as number;
      const target = balanceOf.get(to)?.["balance"] as number;
      if (source < 1) continue;
      setBalance.run(source - 1, from);
      setBalance.run(target + 1, to);
    }
    commit.run();
  });
  const total = database.prepare("select sum(balance) as total from accounts").get()?.["total"];
  database.close();
  return { ...result, failures: total === accounts * 1e9 ? [] : [`the balances add up to ${String(total)}`] };
}

function measure(group: number, warmupSeconds: number, seconds: number, commit: () => void): Measurement {
  const begin = performance.now() + warmupSeconds * 1000;
  while (performance.now() < begin) commit();
  const latencies = new Latencies();
  const started = performance.now();
  let now = started;
  while (now - started < seconds * 1000) {
    commit();
    const ended = performance.now();
    latencies.add(ended - now);
    now = ended;
  }
  const { count, p50Ms, p99Ms, maxMs } = latencies.summary();
  const perSecond = (count * group) / ((now - started) / 1000);
  return {
    perSecond,
    count: count * group,
    p50Ms,
    p99Ms,
    maxMs,
    loadCpu: 0,
    completed: count * group,
    cpuUsEach: Number.NaN,
    failures: [],
    notes: [],
  };
}

serveCalls({ appendAndSync, sqliteGroups });
