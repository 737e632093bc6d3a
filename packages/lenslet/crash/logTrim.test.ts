import fs from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../../conformance/support/seededRandom.ts";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { checkHistory, History } from "./history.ts";
import { addByHttp, addBySession, readLedger, startLedger, watchingClient } from "./rig.ts";
import type { SyncClient } from "./syncClient.ts";

/** A log that forgets all but its newest commits, under load and kill -9. */

const rounds = 4;
const sessions = 8;

let server: TestServer;
const clients: SyncClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.dispose();
});

/** Names tell the first ts. */
function segments(): string[] {
  return fs
    .readdirSync(path.join(server.dataFolder, "log"))
    .filter((name) => name.endsWith(".seg"))
    .sort();
}

async function ask(route: string, body: object): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.url}/api/${route}`, {
    method: "POST",
    headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

describe("kill -9 while the log is trimmed", () => {
  it("loses, doubles and invents nothing", { timeout: 300_000 }, async () => {
    server = await startLedger({
      args: ["--log-retention", "1s"],
      env: { LENSLET_LOG_SEGMENT_BYTES: "8000" },
    });
    const firstCursor = await ask("v1/data/sync", {});
    const { pagination } = JSON.parse(firstCursor.text) as { pagination: { nextCursor: string } };
    const history = new History();
    const random = seededRandom(5);
    for (let i = 0; i < sessions; i++) clients.push(watchingClient(server.url, history));
    const idle = () => clients.every(({ unanswered }) => unanswered === 0);
    for (let round = 0; round < rounds; round++) {
      const oldest = segments()[0];
      let trimmed = false;
      const killAfter = random(40);
      const http: Promise<void>[] = [];
      await until("the log has been trimmed under load", async () => {
        for (const client of clients) if (client.unanswered < 20) void addBySession(client, history);
        http.push(addByHttp(server.url, history));
        if (http.length % 20 === 0) await Promise.all(http);
        trimmed = segments()[0] !== oldest;
        return trimmed;
      });
      // Some files may have gone, others are about to.
      for (let i = 0; i < killAfter; i++) await new Promise((resolve) => setImmediate(resolve));
      await server.kill9();
      await Promise.all(http);
      await server.start();
      await until("every session has all its answers", idle);
      const { entries, accounts, violations } = await readLedger(server.url);
      expect([...violations, ...checkHistory(history, entries, accounts)], `round ${round}`).toEqual([]);
    }

    // Who reads further back than the log goes is told so, and never just given less.
    const deltas = await ask("document_deltas", { cursor: 0 });
    expect([deltas.status, JSON.parse(deltas.text)]).toEqual([
      503,
      {
        code: "OutOfRetention",
        message: "The cursor 0 is older than the changes that are kept. Start again with list_snapshot.",
      },
    ]);
    const sync = await ask("v1/data/sync", { cursor: pagination.nextCursor });
    expect([sync.status, JSON.parse(sync.text)]).toMatchObject([400, { code: "DataSyncCursorExpired" }]);
    const listing = await ask("list_snapshot", { snapshot: 512 });
    expect([listing.status, JSON.parse(listing.text)]).toMatchObject([
      400,
      { code: "InvalidListSnapshotCursor" },
    ]);

    expect((await server.stop()).code).toBe(0);
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
    expect(server.logs).not.toMatch(/error|defect|assert/i);
    expect(clients.flatMap((client) => client.violations)).toEqual([]);
  });

  it("a store that is gone then is missed: the log cannot build it again", { timeout: 120_000 }, async () => {
    server = await startLedger({
      args: ["--log-retention", "1s"],
      env: { LENSLET_LOG_SEGMENT_BYTES: "8000" },
    });
    const oldest = segments()[0];
    const history = new History();
    await until("the log has been trimmed", async () => {
      await addByHttp(server.url, history);
      return segments()[0] !== oldest;
    });
    await server.stop();
    for (const name of fs.readdirSync(server.dataFolder))
      if (name.startsWith("store.sqlite")) fs.rmSync(path.join(server.dataFolder, name));
    await expect(server.start()).rejects.toThrow(/The store is missing or too old/);
  });
});
