import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { checkHistory, History } from "./history.ts";
import {
  accountNames,
  addByHttp,
  addBySession,
  callHttp,
  queryHttp,
  readLedger,
  startLedger,
  watchingClient,
} from "./rig.ts";
import { SyncClient, type SyncClientOptions } from "./syncClient.ts";

const timeoutText = /Function execution timed out \(maximum duration: 1s\)/;
const memoryText = /JavaScript execution ran out of memory \(maximum memory usage: 64 MB\)/;
const bystanders = 50;

describe("functions that run away while fifty clients mutate and watch", () => {
  const history = new History();
  const clients: SyncClient[] = [];
  let server: TestServer;

  beforeAll(async () => {
    server = await startLedger();
    for (let i = 0; i < bystanders; i++) clients.push(watchingClient(server.url, history));
    await until("everybody is connected", () => clients.every(({ results }) => results.size > 0));
  }, 120_000);

  afterAll(async () => {
    for (const client of clients) client.close();
    await server.dispose();
  });

  /** Fifty clients ask on and on while something guilty runs; what they were told is checked when all have their answers. */
  async function underLoad(guilty: () => Promise<void>): Promise<void> {
    const state = { isLoaded: true };
    const loads = clients.map(async (client, i) => {
      while (state.isLoaded)
        await (i % 5 === 0 ? addByHttp(server.url, history) : addBySession(client, history));
    });
    try {
      await until("the load has begun", progress());
      await guilty();
      await until("the others go on", progress());
    } finally {
      state.isLoaded = false;
    }
    await Promise.all(loads);
    const { entries, accounts, violations } = await readLedger(server.url);
    expect([...violations, ...checkHistory(history, entries, accounts)]).toEqual([]);
    // Nobody's connection was touched, and no request cut off.
    expect(clients.flatMap((client) => client.violations)).toEqual([]);
    expect(new Set(clients.map(({ connectionCount }) => connectionCount))).toEqual(new Set([1]));
    expect(history.operations.filter(({ outcome }) => outcome.type !== "acknowledged")).toEqual([]);
  }

  function progress(): () => boolean {
    const before = history.operations.length;
    return () => history.operations.length > before + 2 * bystanders;
  }

  function guiltyClient(queries: SyncClientOptions["queries"]): SyncClient {
    return new SyncClient({ url: server.url, queries });
  }

  function replacements(): number {
    return server.logs.match(/replacing the engine thread/g)?.length ?? 0;
  }

  it("fails a mutation that loops, over HTTP and over a socket, and nothing of it stays", async () => {
    const before = replacements();
    await underLoad(async () => {
      const overHttp = await callHttp(server.url, "mutation", "guilty:spin", { key: "looped-http" });
      expect(overHttp).toMatchObject({ status: "error", errorMessage: expect.stringMatching(timeoutText) });
      const client = guiltyClient([]);
      const answer = await client.mutate("guilty:spin", { key: "looped-socket" });
      expect(answer).toMatchObject({ ok: false, value: expect.stringMatching(timeoutText) });
      expect(await client.mutate("guilty:turn", { name: "after", on: false })).toMatchObject({ ok: true });
      expect([client.connectionCount, client.violations]).toEqual([1, []]);
      client.close();
    });
    expect(replacements() - before).toBe(2);
  });

  it("fails a mutation that hoards memory", async () => {
    await underLoad(async () => {
      const answer = await callHttp(server.url, "mutation", "guilty:hoard", { key: "hoarded" });
      expect(answer).toMatchObject({ status: "error", errorMessage: expect.stringMatching(memoryText) });
    });
    expect(server.logs).toContain("a function used up its memory; replacing the engine thread");
  });

  it("fails several runaways at once, each by itself", async () => {
    const before = replacements();
    await underLoad(async () => {
      const nonces = ["a", "b", "c"];
      const guilty = nonces.map((nonce) => callHttp(server.url, "query", "guilty:spinQuery", { nonce }));
      for (const answer of await Promise.all(guilty))
        expect(answer).toMatchObject({ status: "error", errorMessage: expect.stringMatching(timeoutText) });
    });
    expect(replacements() - before).toBe(3);
  });

  it("fails a live query that begins to loop, for those who watch it only", async () => {
    const watchers = [1, 2].map(() => guiltyClient([{ path: "guilty:spinWhenOn", args: { name: "trap" } }]));
    const other = guiltyClient([{ path: "guilty:spinWhenOn", args: { name: "harmless" } }]);
    await until("all queries have answered", () =>
      [...watchers, other].every(({ results }) => results.get(0) === "missing"),
    );
    await underLoad(async () => {
      const turned = await callHttp(server.url, "mutation", "guilty:turn", { name: "trap", on: true });
      expect(turned).toMatchObject({ status: "success" });
      const failed = () => watchers.every(({ failures }) => timeoutText.test(failures.get(0) ?? ""));
      await until("both watchers are told", failed);
    });
    expect([...other.failures]).toEqual([]);
    expect([...watchers, other].map(({ connectionCount }) => connectionCount)).toEqual([1, 1, 1]);
    for (const client of [...watchers, other]) client.close();
  });

  it("ends nobody for the time in which the machine ran something else", async () => {
    const before = replacements();
    const work = async () => {
      for (let nonce = 0; nonce < 16; nonce++)
        expect(await callHttp(server.url, "query", "guilty:work", { nonce })).toMatchObject({
          status: "success",
        });
    };
    const state = { isWorking: true };
    const stops = async () => {
      while (state.isWorking) {
        await sleep(1000);
        process.kill(server.pid, "SIGSTOP");
        await sleep(1500);
        process.kill(server.pid, "SIGCONT");
      }
    };
    await Promise.all([work().finally(() => (state.isWorking = false)), stops()]);
    expect(replacements()).toBe(before);
  }, 120_000);

  it("has kept live queries equal to fresh reads, said what it did, and left sound files", async () => {
    const fresh = [
      ...(await Promise.all(accountNames.map((name) => queryHttp(server.url, "ledger:account", { name })))),
      await queryHttp(server.url, "ledger:totals"),
    ];
    const shown = (client: SyncClient) => fresh.map((_, queryId) => client.results.get(queryId));
    await until("every client shows the newest state", () =>
      clients.every((client) => JSON.stringify(shown(client)) === JSON.stringify(fresh)),
    );
    expect(server.logs).toContain("a function ran too long; replacing the engine thread");
    expect(server.logs).not.toMatch(/defect|engine thread failed/);
    expect((await server.stop()).code).toBe(0);
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
  });
});
