import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../../conformance/support/seededRandom.ts";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { checkHistory, History } from "./history.ts";
import {
  accountNames,
  addByHttp,
  addBySession,
  queryHttp,
  readLedger,
  startLedger,
  watchingClient,
} from "./rig.ts";
import type { SyncClient } from "./syncClient.ts";

/** Another seed, or more rounds, for a longer search: LENSLET_CRASH_SEED, LENSLET_CRASH_ROUNDS. */
const seed = Number(process.env["LENSLET_CRASH_SEED"] ?? 1);
const rounds = Number(process.env["LENSLET_CRASH_ROUNDS"] ?? 10);

const sessions = 16;
const mutationsPerSession = 50;
const httpRequests = 200;

describe("kill -9 in the middle of 1,000 concurrent mutations", () => {
  const history = new History();
  const clients: SyncClient[] = [];
  let server: TestServer;

  beforeAll(async () => {
    // Small segments: kills also hit the moment when one is full and the next one begins.
    server = await startLedger({ env: { LENSLET_LOG_SEGMENT_BYTES: "100000" } });
    for (let i = 0; i < sessions; i++) clients.push(watchingClient(server.url, history));
  }, 120_000);

  afterAll(async () => {
    for (const client of clients) client.close();
    await server.dispose();
  });

  it(`loses, doubles and invents nothing, ${rounds} times (seed ${seed})`, { timeout: 300_000 }, async () => {
    const random = seededRandom(seed);
    for (let round = 0; round < rounds; round++) {
      await killDuringLoad(Math.floor(((round + random(1000) / 1000) / rounds) * 1000));
      // Every third time the server dies once more while the sessions send again.
      if (round % 3 === 2) {
        const before = answered();
        await until("a mutation that was sent again is answered", () => answered() > before || idle());
        await server.kill9();
        await server.start();
      }
      await until("every session has all its answers", idle);
      // Through one index only: reading is most of the work, and the last look is at all of them.
      expect(await violations(["by_creation_time"]), `round ${round}`).toEqual([]);
    }
  });

  it("keeps live queries equal to fresh reads after the last restart", async () => {
    const fresh = [
      ...(await Promise.all(accountNames.map((name) => queryHttp(server.url, "ledger:account", { name })))),
      await queryHttp(server.url, "ledger:totals"),
    ];
    const shown = (client: SyncClient) =>
      JSON.stringify(fresh.map((_, queryId) => client.results.get(queryId)));
    await until("all clients show the newest state", () =>
      clients.every((client) => shown(client) === JSON.stringify(fresh)),
    );
    expect(await violations()).toEqual([]);
    expect(clients.flatMap((client) => client.violations)).toEqual([]);
    expect(clients.map(({ connectionCount }) => connectionCount > rounds)).toEqual(clients.map(() => true));
  });

  it("leaves log and store that open without complaint and agree with each other", async () => {
    await server.kill9();
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
    await server.start();
    expect((await server.stop()).code).toBe(0);
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
    expect(server.logs).not.toMatch(/error|defect|assert/i);
  });

  it("would have noticed: a log that lost its end fails the same checks", async () => {
    const folder = path.join(server.dataFolder, "log");
    const segments = fs
      .readdirSync(folder)
      .filter((name) => name.endsWith(".seg"))
      .sort()
      .map((name) => path.join(folder, name));
    // Of the whole log: the last segment may have just begun.
    let leftBytes = segments.reduce((sum, file) => sum + fs.statSync(file).size, 0) * 0.7;
    for (const file of segments) {
      const { size } = fs.statSync(file);
      if (leftBytes <= 0) fs.rmSync(file);
      else if (size > leftBytes) fs.truncateSync(file, Math.floor(leftBytes));
      leftBytes -= size;
    }
    for (const name of fs.readdirSync(server.dataFolder))
      if (name.startsWith("store.sqlite")) fs.rmSync(path.join(server.dataFolder, name));
    // The clients would send nothing again, but they would complain of the past that is gone.
    for (const client of clients) client.close();
    await server.start();
    expect((await violations()).join("\n")).toMatch(/op\d+ is lost/);
    await server.kill9();
  });

  /** Sends everything at once and kills the server when so many of the answers have come. */
  async function killDuringLoad(answersBeforeKill: number): Promise<void> {
    const before = answered();
    const http: Promise<void>[] = [];
    for (let i = 0; i < mutationsPerSession; i++)
      for (const client of clients) void addBySession(client, history);
    for (let i = 0; i < httpRequests; i++) http.push(addByHttp(server.url, history));
    await until("enough answers have come", () => answered() - before >= answersBeforeKill);
    await server.kill9();
    await Promise.all(http);
    await server.start();
  }

  async function violations(indexes?: Parameters<typeof readLedger>[1]): Promise<string[]> {
    const { entries, accounts, violations: differences } = await readLedger(server.url, indexes);
    return [...differences, ...checkHistory(history, entries, accounts)];
  }

  function answered(): number {
    return history.operations.filter(({ outcome }) => outcome.type === "acknowledged").length;
  }

  function idle(): boolean {
    return clients.every(({ unanswered }) => unanswered === 0);
  }
});
