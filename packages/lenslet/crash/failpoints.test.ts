import fs from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { checkHistory, History } from "./history.ts";
import {
  addByHttp,
  addBySession,
  callHttp,
  ledgerProject,
  push,
  readLedger,
  startLedger,
  watchingClient,
} from "./rig.ts";
import type { SyncClient } from "./syncClient.ts";

/** The process ends itself at the exact moment that LENSLET_FAILPOINT names (src/main/failpoints.ts). */

const open: { dispose(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.dispose();
});

describe("a server that dies at a named moment under load", () => {
  it("neither loses nor doubles anything", { timeout: 180_000 }, async () => {
    const history = new History();
    const server = await startLedger({ env: { LENSLET_LOG_SEGMENT_BYTES: "20000" } });
    open.push(server);
    const clients = [1, 2, 3, 4].map(() => watchingClient(server.url, history));
    try {
      for (const failpoint of [
        "engine.appended:3",
        // The server itself asks the engine for a few things while it starts: those must not be what it dies of.
        "engine.answering:60",
        "net.durable:4",
        "store.persisting:1",
        "store.persisted:1",
        "store.persisted:2",
        "segment:1",
        "segment:2",
        "segment:3",
      ]) {
        await server.stop();
        const isRotation = failpoint.startsWith("segment");
        await server.start(isRotation ? {} : { env: { LENSLET_FAILPOINT: failpoint } });
        if (isRotation) killAtNewSegment(server, Number(failpoint.split(":")[1]));
        const died = server.ended(60_000);
        const requests = load(server, clients, history, died);
        expect(await died, failpoint).toMatchObject({ signal: "SIGKILL" });
        await server.start();
        await Promise.all(requests);
        await until("all sessions are answered", () => clients.every(({ unanswered }) => unanswered === 0));
        const { entries, accounts, violations } = await readLedger(server.url);
        expect([...violations, ...checkHistory(history, entries, accounts)], failpoint).toEqual([]);
        expect(
          clients.flatMap((client) => client.violations),
          failpoint,
        ).toEqual([]);
      }
      await server.stop();
      expect(await checkDataFolder(server.dataFolder)).toEqual([]);
    } finally {
      for (const client of clients) client.close();
    }
  });

  /** From outside, as soon as the file of a new log segment shows up: before, while or after its header is written. */
  function killAtNewSegment(server: TestServer, nth: number): void {
    let left = nth;
    const watcher = fs.watch(path.join(server.dataFolder, "log"), (event, name) => {
      if (event !== "rename" || name === null || !name.endsWith(".seg")) return;
      left -= 1;
      if (left > 0) return;
      watcher.close();
      process.kill(server.pid, "SIGKILL");
    });
  }

  /** Keeps mutations coming until the server is gone; resolves with all that was asked. */
  function load(
    server: TestServer,
    clients: readonly SyncClient[],
    history: History,
    died: Promise<unknown>,
  ): Promise<void>[] {
    const requests: Promise<void>[] = [];
    const timer = setInterval(() => {
      for (const client of clients) if (client.unanswered < 50) requests.push(addBySession(client, history));
      requests.push(addByHttp(server.url, history));
    }, 5);
    void died.then(
      () => clearInterval(timer),
      () => clearInterval(timer),
    );
    return requests;
  }
});

describe("a server that dies during a push", () => {
  const versionModule = (version: number) =>
    `import { query } from "./server"; export const answer = query({ args: {}, handler: () => ${version} });`;
  const pushArgs = ["dev", "--once", "--typecheck", "disable", "--codegen", "disable"];

  it("runs the old code or the new, whole, and takes the push again", { timeout: 180_000 }, async () => {
    const history = new History();
    const server = await startLedger();
    open.push(server);
    await Promise.all(Array.from({ length: 100 }, () => addByHttp(server.url, history)));
    const project = ledgerProject();
    const plainSchema = project.read("convex/schema.ts");
    const indexedSchema = plainSchema.replace(
      '.index("by_key", ["key"])',
      '.index("by_key", ["key"]).index("by_amount", ["amount"])',
    );
    expect(indexedSchema).not.toBe(plainSchema);
    project.write("convex/version.ts", versionModule(0));
    await push(server, project);

    // A push commits twice: what it is about to change, with the new index to be filled, and the whole at the end.
    const failpoints = ["engine.appended:1", "push.finished", "engine.appended:2"];
    const survived = new Set<string>();
    for (const [i, failpoint] of failpoints.entries()) {
      const [old, next] = [i, i + 1];
      project.write("convex/version.ts", versionModule(next));
      project.write("convex/schema.ts", i % 2 === 0 ? indexedSchema : plainSchema);
      await server.stop();
      await server.start({ env: { LENSLET_FAILPOINT: failpoint } });
      const pushing = project.startConvex(pushArgs);
      expect(await server.ended(60_000), failpoint).toMatchObject({ signal: "SIGKILL" });
      await pushing.dispose();

      await server.start();
      const answer = await callHttp(server.url, "query", "version:answer", {});
      expect([old, next], failpoint).toContain(answer.status === "success" && answer.value);
      if (answer.status === "success") survived.add(`${failpoint} ${answer.value === next ? "new" : "old"}`);
      await push(server, project);
      const pushed = await callHttp(server.url, "query", "version:answer", {});
      expect(pushed, failpoint).toMatchObject({ status: "success", value: next });
      const { entries, accounts, violations } = await readLedger(server.url);
      expect([...violations, ...checkHistory(history, entries, accounts)], failpoint).toEqual([]);
    }
    expect(survived).toContain("engine.appended:1 old");
    expect(survived).toContain("push.finished new");
    await server.stop();
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
  });
});
