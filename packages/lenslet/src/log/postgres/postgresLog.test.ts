import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { postgresMissing, TestPostgres } from "../../../../../conformance/support/postgres.ts";
import { openLocalLog, type LocalLog } from "../local/localLog.ts";
import { codeOf, logContract, type LogHarness, readAll, record, untilDurable } from "../logContract.ts";
import { testClock } from "../testSupport.ts";
import { PostgresLogThread } from "./postgresLogThread.ts";

let postgres: TestPostgres;
const skipped = postgresMissing() !== null;
beforeAll(async () => {
  if (!skipped) postgres = await TestPostgres.start();
});
afterAll(async () => {
  if (!skipped) await postgres.dispose();
});

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

let runs = 0;
const leaseMsOfTests = 2000;

async function startThread(url: string, leaseMs = leaseMsOfTests): Promise<PostgresLogThread> {
  const owner = `run-${++runs}`;
  const thread = await PostgresLogThread.start({
    url,
    proposed: { name: "test", secret: "00".repeat(32) },
    owner,
    address: `http://${owner}`,
    leaseMs,
    report: () => {},
  });
  cleanups.push(() => thread.close().catch(() => {}));
  return thread;
}

function openClient(thread: PostgresLogThread): LocalLog {
  const log = openLocalLog(thread.connect(), { clock: testClock });
  cleanups.push(() => log.close());
  return log;
}

function untilLeader(thread: PostgresLogThread): Promise<void> {
  return new Promise((resolve) => {
    thread.onLeadership(({ isLeader }) => {
      if (isLeader) resolve();
    });
    if (thread.leadership.isLeader) resolve();
  });
}

async function harnessOf(url: string): Promise<LogHarness> {
  const thread = await startThread(url);
  const log = openLocalLog(thread.connect(), { clock: testClock });
  const close = async (): Promise<void> => {
    await log.close();
    await thread.close();
  };
  return {
    log,
    trimsSmallLogs: true,
    async reopen() {
      await close();
      return harnessOf(url);
    },
    dispose: close,
  };
}

describe.skipIf(skipped)("PostgreSQL", { timeout: 180_000 }, () => {
  logContract("the log in PostgreSQL", async () => harnessOf(await postgres.createDatabase()));

  it("has one leader at a time, and gives its lease to the next at its end", async () => {
    const url = await postgres.createDatabase();
    const first = await startThread(url);
    const second = await startThread(url);
    expect(first.leadership).toEqual({ isLeader: true, leaderAddress: null });
    expect(second.leadership.isLeader).toBe(false);
    expect(second.leadership.leaderAddress).toMatch(/^http:\/\/run-/);
    expect(second.identity).toEqual(first.identity);
    await first.close();
    await untilLeader(second);
  });

  it("lets a follower read what the leader appends, live", async () => {
    const url = await postgres.createDatabase();
    const leader = openClient(await startThread(url));
    const thread = await startThread(url);
    const follower = openClient(thread);
    leader.append([record(1), record(2)]);
    await untilDurable(follower, 2n);
    expect(await readAll(follower)).toEqual([record(1), record(2)]);
    leader.append([record(3)]);
    await untilDurable(leader, 3n);
    expect(await thread.refresh()).toBe(3n);
    expect(await readAll(follower, 2n)).toEqual([record(3)]);
  });

  it("refuses what a follower appends", async () => {
    const url = await postgres.createDatabase();
    const leader = openClient(await startThread(url));
    const follower = openClient(await startThread(url));
    const failure = new Promise<Error>((resolve) => follower.onFailure(resolve));
    follower.append([record(1)]);
    expect(await codeOf(failure.then((error) => Promise.reject(error)))).toBe("LogFenced");
    leader.append([record(2)]);
    expect(await readAll(leader)).toEqual([record(2)]);
  });

  it("goes on where its connections are cut again and again: each record is there once, in order", async () => {
    const url = await postgres.createDatabase();
    const log = openClient(await startThread(url));
    const cuts = { count: 0, wanted: 20 };
    const areEnough = () => cuts.count >= cuts.wanted;
    const cutting = (async () => {
      while (!areEnough()) cuts.count += await postgres.cutConnections(url);
    })();
    let ts = 0;
    while (!areEnough()) {
      for (let i = 0; i < 10; i++) log.append([record(++ts, `${i} ${"x".repeat(i * 2000)}`), record(++ts)]);
      await untilDurable(log, BigInt(ts));
    }
    await cutting;
    const records = await readAll(log);
    expect(records.map((each) => each.ts)).toEqual(Array.from({ length: ts }, (_, i) => BigInt(i + 1)));
  });

  it("finds out what has become of an append whose connection was cut while it was committed", async () => {
    const url = await postgres.createDatabase();
    const log = openClient(await startThread(url));
    log.append([record(1)]);
    await untilDurable(log, 1n);
    // Commits, and cuts its own connection before anybody is told: once.
    await postgres.query(
      url,
      `CREATE TABLE cuts (at bigint);
       CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF NOT EXISTS (SELECT FROM cuts WHERE at = NEW.last_ts) THEN
           INSERT INTO cuts VALUES (NEW.last_ts);
           PERFORM pg_terminate_backend(pg_backend_pid());
         END IF;
         RETURN NULL; END $$;
       CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON lenslet.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cut()`,
    );
    log.append([record(2)]);
    log.append([record(3), record(4)]);
    // The trigger's own note is undone with the commit that it cuts, so it cuts every time: until it is gone.
    await expect.poll(() => log.durableTs() < 2n).toBe(true);
    await postgres.query(url, "DROP TRIGGER cut ON lenslet.log");
    await untilDurable(log, 4n);
    expect(await readAll(log)).toEqual([1, 2, 3, 4].map((ts) => record(ts)));
  });

  it("waits for a PostgreSQL that crashes and comes back, and loses and doubles nothing", async () => {
    const url = await postgres.createDatabase();
    const log = openClient(await startThread(url));
    let ts = 0;
    const durable: bigint[] = [];
    for (let crash = 0; crash < 2; crash++) {
      for (let i = 0; i < 20; i++) log.append([record(++ts)]);
      await untilDurable(log, BigInt(ts - 10));
      await postgres.crash();
      durable.push(log.durableTs());
      log.append([record(++ts)]);
      await postgres.resume();
    }
    await untilDurable(log, BigInt(ts));
    expect(durable.every((each) => each > 0n)).toBe(true);
    expect(await readAll(log)).toEqual(Array.from({ length: ts }, (_, i) => record(i + 1)));
  });

  it("waits for a slow server", async () => {
    const url = await postgres.createDatabase();
    const log = openClient(await startThread(url));
    await postgres.query(
      url,
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$;
       CREATE TRIGGER slow BEFORE INSERT ON lenslet.log FOR EACH ROW EXECUTE FUNCTION slow()`,
    );
    log.append([record(1)]);
    log.append([record(2)]);
    expect(log.backlogSize()).toBeGreaterThan(0);
    log.waitDurableSync(2n, 30_000);
    expect(await readAll(log)).toEqual([record(1), record(2)]);
  });

  it("lets a deposed leader write nothing, however its own clock goes", async () => {
    const url = await postgres.createDatabase();
    const old = openClient(await startThread(url, 3_600_000));
    old.append([record(1)]);
    await untilDurable(old, 1n);
    // As if the lease had run out while the old leader was paused.
    await postgres.query(url, "UPDATE lenslet.deployment SET expires_at = '-infinity'");
    const thread = await startThread(url);
    await untilLeader(thread);
    const next = openClient(thread);
    expect(await readAll(next)).toEqual([record(1)]);
    const failure = new Promise<Error>((resolve) => old.onFailure(resolve));
    old.append([record(2, "of the old leader")]);
    next.append([record(2, "of the new one")]);
    await untilDurable(next, 2n);
    expect(await codeOf(failure.then((error) => Promise.reject(error)))).toBe("LogDeposed");
    expect(old.durableTs()).toBe(1n);
    expect(await readAll(next)).toEqual([record(1), record(2, "of the new one")]);
  });

  it("has one leader whichever of many takes an expired lease", async () => {
    const url = await postgres.createDatabase();
    const threads = await Promise.all(Array.from({ length: 4 }, () => startThread(url)));
    await expect
      .poll(() => threads.filter(({ leadership }) => leadership.isLeader).length)
      .toBeGreaterThan(0);
    expect(threads.filter(({ leadership }) => leadership.isLeader)).toHaveLength(1);
    expect(new Set(threads.map(({ identity }) => identity.secret)).size).toBe(1);
  });

  it("refuses a damaged row", async () => {
    const url = await postgres.createDatabase();
    const log = openClient(await startThread(url));
    log.append([record(1, "the truth")]);
    await untilDurable(log, 1n);
    await postgres.query(url, "UPDATE lenslet.log SET records = set_byte(records, 30, 0)");
    expect(await codeOf(readAll(log))).toBe("LogCorrupt");
  });

  it("says what is wrong with the address or the database", async () => {
    const url = await postgres.createDatabase();
    const code = (address: string) => codeOf(startThread(address));
    expect(await code("mysql://127.0.0.1/x")).toBe("PostgresUrlInvalid");
    expect(await code("postgresql://127.0.0.1:1/x")).toBe("PostgresUnreachable");
    expect(await code(postgres.url("db1", "postgres", "wrong"))).toBe("PostgresRefused");
    expect(await code(postgres.url("missing"))).toBe("PostgresDatabaseMissing");
    await postgres.query(url, "CREATE ROLE guest LOGIN PASSWORD 'guest'");
    const name = url.slice(url.lastIndexOf("/") + 1);
    expect(await code(postgres.url(name, "guest", "guest"))).toBe("PostgresForbidden");
    await startThread(url);
    await postgres.query(url, "UPDATE lenslet.deployment SET format = 99");
    expect(await code(url)).toBe("DataFormatTooNew");
  });
});
