import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts } from "../../../conformance/support/ports.ts";
import { postgresMissing, TestPostgres } from "../../../conformance/support/postgres.ts";
import { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { Balancer } from "./balancer.ts";
import { checkHistory, History } from "./history.ts";
import {
  accountNames,
  addByHttp,
  addBySession,
  callHttp,
  ledgerProject,
  push,
  queryHttp,
  readLedger,
  watchingClient,
} from "./rig.ts";
import type { SyncClient } from "./syncClient.ts";

const skipped = postgresMissing() !== null;
const sessions = 8;
const mutationsPerSession = 30;
const httpRequests = 60;

describe.skipIf(skipped)("nodes over one PostgreSQL", () => {
  const history = new History();
  const clients: SyncClient[] = [];
  let postgres: TestPostgres;
  let balancer: Balancer;
  let url: string;
  /** The one that leads, and the one that waits. */
  let leader: TestServer;
  let standby: { readonly server: Promise<TestServer>; readonly ports: readonly [number, number] };
  let databaseUrl: string;
  const all: Promise<TestServer>[] = [];

  const startNode = (ports: readonly [number, number]): Promise<TestServer> => {
    const env = { LENSLET_POSTGRES_URL: databaseUrl, LENSLET_LEASE_MS: "1500" };
    const server = TestServer.start({ ports, env });
    all.push(server);
    return server;
  };

  beforeAll(async () => {
    postgres = await TestPostgres.start();
    databaseUrl = await postgres.createDatabase();
    const [front, ...nodePorts] = (await freePorts(5)) as [number, number, number, number, number];
    const [a, aSite, b, bSite] = nodePorts;
    url = `http://127.0.0.1:${front}`;
    balancer = await Balancer.start(front, [a, b]);
    leader = await startNode([a, aSite]);
    await push(leader, ledgerProject());
    const opened = await callHttp(leader.url, "mutation", "ledger:openAccounts", { names: accountNames });
    expect(opened.status).toBe("success");
    standby = { server: startNode([b, bSite]), ports: [b, bSite] };
    for (let i = 0; i < sessions; i++) clients.push(watchingClient(url, history));
  }, 120_000);

  afterAll(async () => {
    for (const client of clients) client.close();
    balancer.close();
    for (const node of await Promise.allSettled(all)) {
      if (node.status === "fulfilled") await node.value.dispose();
    }
    await postgres.dispose();
  });

  const answered = () => history.operations.filter(({ outcome }) => outcome.type === "acknowledged").length;
  const load = (): Promise<unknown> => {
    const sent = clients.map(async (client) => {
      for (let i = 0; i < mutationsPerSession; i++) await addBySession(client, history);
    });
    const requests = Array.from({ length: httpRequests }, () => addByHttp(url, history));
    return Promise.all([...sent, ...requests]);
  };
  const violations = async (): Promise<string[]> => {
    const { entries, accounts, violations: found } = await readLedger(leader.url);
    return [
      ...found,
      ...checkHistory(history, entries, accounts),
      ...clients.flatMap((client) => client.violations),
    ];
  };
  /** The standby leads from here on, and a node with an empty folder is the next standby. */
  const changeOver = async (): Promise<TestServer> => {
    const old = leader;
    const next = await standby.server;
    const ports = [old.port, old.sitePort] as const;
    leader = next;
    expect(next.adminKey).toBe(old.adminKey);
    standby = { server: Promise.resolve(old), ports };
    return old;
  };

  it("loses and doubles nothing when the leader is killed under load", { timeout: 180_000 }, async () => {
    for (let round = 0; round < 2; round++) {
      const before = answered();
      const loaded = load();
      await until(
        "the load is half way through",
        () => answered() - before > (sessions * mutationsPerSession) / 2,
      );
      await leader.kill9();
      const old = await changeOver();
      await loaded;
      expect(await violations(), `round ${round}`).toEqual([]);
      standby = { server: startNode([old.port, old.sitePort]), ports: [old.port, old.sitePort] };
    }
    expect(answered()).toBeGreaterThan(sessions * mutationsPerSession * 2);
  });

  it("shows every client the newest state", async () => {
    const totals = await queryHttp(leader.url, "ledger:totals");
    const shown = (client: SyncClient) => JSON.stringify(client.results.get(accountNames.length));
    await until("all clients show it", () =>
      clients.every((client) => shown(client) === JSON.stringify(totals)),
    );
  });

  it("lets a leader that stood still past its lease write nothing", { timeout: 180_000 }, async () => {
    const loaded = load();
    const before = answered();
    await until("the load has begun", () => answered() - before > sessions);
    process.kill(leader.pid, "SIGSTOP");
    const old = await changeOver();
    process.kill(old.pid, "SIGCONT");
    const { code, output } = await old.ended();
    expect(code).toBe(1);
    expect(output).toContain("Another node has become the leader");
    await loaded;
    expect(await violations()).toEqual([]);
    standby = { server: startNode([old.port, old.sitePort]), ports: [old.port, old.sitePort] };
  });

  it("hands over at once when the leader is stopped", { timeout: 120_000 }, async () => {
    const loaded = load();
    const before = answered();
    await until("the load has begun", () => answered() - before > sessions);
    const { code } = await leader.stop();
    expect(code).toBe(0);
    await changeOver();
    await loaded;
    expect(await violations()).toEqual([]);
  });

  it("waits for a PostgreSQL that crashes under load", { timeout: 120_000 }, async () => {
    const loaded = load();
    const before = answered();
    await until("the load has begun", () => answered() - before > sessions);
    await postgres.crash();
    await postgres.resume();
    await loaded;
    expect(await violations()).toEqual([]);
  });

  it("does not start a folder of another kind or deployment", async () => {
    await leader.stop();
    const refused = async (dataFolder: string, postgresUrl: string): Promise<string> => {
      const started = TestServer.start({ dataFolder, env: { LENSLET_POSTGRES_URL: postgresUrl } });
      return await started.then(
        () => "started",
        (error: Error) => error.message,
      );
    };
    expect(await refused(leader.dataFolder, "")).toContain("belongs to a node whose log is in PostgreSQL");
    const another = await postgres.createDatabase();
    expect(await refused(leader.dataFolder, another)).toContain("belongs to another deployment");
    const local = await TestServer.start();
    all.push(Promise.resolve(local));
    await local.stop();
    expect(await refused(local.dataFolder, databaseUrl)).toContain("ran without --postgres");
  });
});
