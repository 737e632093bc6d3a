import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePorts } from "../../../conformance/support/ports.ts";
import { postgresMissing, TestPostgres } from "../../../conformance/support/postgres.ts";
import { TestServer } from "../../../conformance/support/server.ts";
import { eventually, until } from "../../../conformance/support/until.ts";
import { Balancer } from "./balancer.ts";
import { checkHistory, History } from "./history.ts";
import {
  accountNames,
  addByHttp,
  addBySession,
  callHttp,
  ledgerProject,
  newOperation,
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
  /** Of whichever node takes the connection. */
  let url: string;
  let databaseUrl: string;
  const nodes: TestServer[] = [];
  const others: TestServer[] = [];

  const startNode = async (ports: readonly [number, number]): Promise<TestServer> => {
    const env = { LENSLET_POSTGRES_URL: databaseUrl, LENSLET_LEASE_MS: "1500" };
    const node = await TestServer.start({ ports, env });
    nodes.push(node);
    return node;
  };
  /** The node that holds a lease which has not expired. */
  const leader = async (): Promise<TestServer> => {
    const find = async () => {
      const [row] = await postgres.query<{ address: string }>(
        databaseUrl,
        "SELECT address FROM lenslet.deployment WHERE expires_at > clock_timestamp()",
      );
      return nodes.find((node) => row?.address.split(" ")[0] === node.url);
    };
    return await eventually(find, { message: "no node has the lease" });
  };
  const gone = (node: TestServer) => nodes.splice(nodes.indexOf(node), 1);
  /** A new machine in the place of one that is gone: nothing is in its data folder. */
  const replace = async (node: TestServer): Promise<void> => {
    await startNode([node.port, node.sitePort]);
  };

  beforeAll(async () => {
    postgres = await TestPostgres.start();
    databaseUrl = await postgres.createDatabase();
    const [front, ...ports] = (await freePorts(7)) as [number, ...number[]];
    url = `http://127.0.0.1:${front}`;
    const [a, aSite, b, bSite, c, cSite] = ports as [number, number, number, number, number, number];
    balancer = await Balancer.start(front, [a, b, c]);
    await startNode([a, aSite]);
    await startNode([b, bSite]);
    await startNode([c, cSite]);
    // Through a follower: the push, like every request, is passed on to the leader.
    await push(nodes[1] as TestServer, ledgerProject());
    const opened = await callHttp(url, "mutation", "ledger:openAccounts", { names: accountNames });
    expect(opened.status).toBe("success");
    for (let i = 0; i < sessions; i++) clients.push(watchingClient(url, history));
  }, 180_000);

  afterAll(async () => {
    for (const client of clients) client.close();
    balancer.close();
    for (const node of [...nodes, ...others]) await node.dispose();
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
    const { entries, accounts, violations: found } = await readLedger((await leader()).url);
    return [
      ...found,
      ...checkHistory(history, entries, accounts),
      ...clients.flatMap((client) => client.violations),
    ];
  };
  const underLoad = async (work: () => Promise<void>): Promise<void> => {
    const before = answered();
    const loaded = load();
    await until(
      "the load is half way through",
      () => answered() - before > (sessions * mutationsPerSession) / 2,
    );
    await work();
    await loaded;
    expect(await violations()).toEqual([]);
    expect(answered() - before).toBeGreaterThanOrEqual(sessions * mutationsPerSession);
  };

  it("shows on every node, live, what is written on any", async () => {
    expect(new Set(nodes.map(({ adminKey }) => adminKey)).size).toBe(1);
    const own = nodes.map((node) => watchingClient(node.url, history));
    try {
      for (const client of own) await addBySession(client, history);
      const counts = () =>
        own.map(
          (client) => (client.results.get(accountNames.length) as { count: number } | undefined)?.count,
        );
      await until("all of them show it", () => counts().every((count) => count === own.length));
      expect(own.flatMap((client) => client.violations)).toEqual([]);
    } finally {
      for (const client of own) client.close();
    }
  });

  it("serves official clients and HTTP actions on every node", async () => {
    const opened = nodes.map((node) => new ConvexClient(node.url, { logger: false }));
    const counts = opened.map(() => -1);
    try {
      for (const [i, client] of opened.entries())
        client.onUpdate(
          anyApi["ledger"]!["totals"]!,
          {},
          ({ count }: { count: number }) => (counts[i] = count),
        );
      await until("all have their first result", () => counts.every((count) => count >= 0));
      const before = counts[0] as number;
      for (const client of opened) {
        const operation = newOperation(history, "http");
        const { key, account, amount } = operation;
        const { position, balance } = (await client.mutation(anyApi["ledger"]!["add"]!, {
          key,
          account,
          amount,
        })) as { position: number; balance: number };
        operation.outcome = { type: "acknowledged", position, balance, ts: null };
      }
      await until("all show what each has written", () =>
        counts.every((count) => count === before + opened.length),
      );
      for (const { siteUrl } of nodes) {
        const response = await fetch(`${siteUrl}/anything/${nodes.length}`);
        expect([response.status, await response.text()]).toEqual([200, `/anything/${nodes.length}`]);
      }
      const refusals = opened.map((client) =>
        client.action(anyApi["ledger"]!["nothing"]!, {}).then(
          () => "it ran",
          (error: Error) => error.message,
        ),
      );
      const missing = await Promise.all(refusals);
      for (const message of missing) expect(message).toContain("Could not find public function");
    } finally {
      for (const client of opened) await client.close();
    }
  });

  it("reads over HTTP what has been written over HTTP, on whichever node", async () => {
    const firstTotals = await queryHttp<{ count: number }>(url, "ledger:totals");
    for (let i = 1; i <= 12; i++) {
      await addByHttp(url, history);
      const { count } = await queryHttp<{ count: number }>(url, "ledger:totals");
      expect(count).toBe(firstTotals.count + i);
    }
  });

  it("loses and doubles nothing when the leader is killed under load", { timeout: 180_000 }, async () => {
    for (let round = 0; round < 2; round++) {
      let killed: TestServer | null = null;
      await underLoad(async () => {
        killed = await leader();
        gone(killed);
        await killed.kill9();
        expect(await leader()).not.toBe(killed);
      });
      if (killed !== null) await replace(killed);
    }
  });

  it("loses and doubles nothing when a follower is killed under load", { timeout: 180_000 }, async () => {
    const first = await leader();
    const follower = nodes.find((node) => node !== first) as TestServer;
    await underLoad(async () => {
      gone(follower);
      await follower.kill9();
    });
    await replace(follower);
  });

  it("lets a leader that stood still past its lease write nothing", { timeout: 180_000 }, async () => {
    await underLoad(async () => {
      const old = await leader();
      gone(old);
      others.push(old);
      process.kill(old.pid, "SIGSTOP");
      await leader();
      process.kill(old.pid, "SIGCONT");
      const { code, output } = await old.ended();
      expect(code).toBe(1);
      expect(output).toContain("Another node has become the leader");
      await replace(old);
    });
  });

  it("hands over when the leader is stopped", { timeout: 180_000 }, async () => {
    await underLoad(async () => {
      const old = await leader();
      gone(old);
      expect((await old.stop()).code).toBe(0);
      await leader();
      await replace(old);
    });
  });

  it("waits for a PostgreSQL that crashes under load", { timeout: 180_000 }, async () => {
    await underLoad(async () => {
      await postgres.crash();
      await postgres.resume();
    });
  });

  it("shows every client the newest state in the end", async () => {
    const totals = JSON.stringify(await queryHttp(url, "ledger:totals"));
    const shown = (client: SyncClient) => JSON.stringify(client.results.get(accountNames.length));
    await until("all clients show it", () => clients.every((client) => shown(client) === totals));
  });

  it("stops in good order, followers too, and starts again on the same folders", async () => {
    for (const node of nodes) expect((await node.stop()).code).toBe(0);
    for (const node of nodes) await node.start();
    expect(await violations()).toEqual([]);
  });

  it("does not start a folder of another kind or deployment", async () => {
    const [node] = nodes as [TestServer];
    await node.stop();
    const refused = async (dataFolder: string, postgresUrl: string): Promise<string> => {
      const started = TestServer.start({ dataFolder, env: { LENSLET_POSTGRES_URL: postgresUrl } });
      return await started.then(
        () => "started",
        (error: Error) => error.message,
      );
    };
    expect(await refused(node.dataFolder, "")).toContain("belongs to a node whose log is in PostgreSQL");
    const another = await postgres.createDatabase();
    expect(await refused(node.dataFolder, another)).toContain("belongs to another deployment");
    const local = await TestServer.start();
    others.push(local);
    await local.stop();
    expect(await refused(local.dataFolder, databaseUrl)).toContain("ran without --postgres");
  });
});
