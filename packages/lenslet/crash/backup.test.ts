import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterEach, describe, expect, it } from "vitest";
import { TestProject } from "../../../conformance/support/project.ts";
import { runLenslet, startLenslet, TestServer } from "../../../conformance/support/server.ts";
import { tempFolder } from "../../../conformance/support/tempFolder.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { checkHistory, History, type Operation } from "./history.ts";
import {
  addBySession,
  callHttp,
  ledgerProject,
  push,
  queryHttp,
  readLedger,
  startLedger,
  watchingClient,
} from "./rig.ts";
import { checkFiles } from "./storedFiles.ts";
import type { SyncClient } from "./syncClient.ts";

/** `lenslet backup` and `lenslet restore` as their user runs them. */

const servers: TestServer[] = [];
const clients: SyncClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) await server.dispose();
});

async function ledger(): Promise<TestServer> {
  const server = await startLedger({ env: { LENSLET_LOG_SEGMENT_BYTES: "50000" } });
  servers.push(server);
  return server;
}

async function serve(dataFolder: string): Promise<TestServer> {
  const server = await TestServer.start({ dataFolder });
  servers.push(server);
  return server;
}

async function lenslet(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return await runLenslet(args, { cwd: tempFolder("cwd"), timeoutMs: 120_000 });
}

/** Must succeed; the answer of `--json`. */
async function lensletJson<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await lenslet(...args, "--json");
  expect(stderr.split("\n").filter((line) => !line.startsWith("lenslet: "))).toEqual([""]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

interface Made {
  readonly backup: string;
  readonly commitTs: string;
}
interface Restored {
  readonly dataFolder: string;
  readonly commitTs: string;
  readonly missingFiles: number;
}

function inFolder(name: string): string {
  return path.join(tempFolder("backup"), name);
}

async function backUp(server: TestServer): Promise<Made> {
  return await lensletJson<Made>("backup", "--data", server.dataFolder, "--to", inFolder("backup"));
}

async function restore(backup: string, ...more: string[]): Promise<Restored> {
  return await lensletJson<Restored>("restore", backup, "--data", inFolder("data"), ...more);
}

function acknowledged(history: History): (Operation & { outcome: { ts: bigint } })[] {
  return history.operations.filter(
    (operation): operation is Operation & { outcome: Operation["outcome"] & { ts: bigint } } =>
      operation.outcome.type === "acknowledged" && operation.outcome.ts !== null,
  );
}

/** What is wrong with a server that shows the state at `ts`: everything before it, nothing after it, all in one piece. */
async function violationsAt(server: TestServer, history: History, ts: bigint): Promise<string[]> {
  const { entries, accounts, violations } = await readLedger(server.url);
  const then = new History();
  for (const operation of acknowledged(history))
    if (operation.outcome.ts <= ts) then.operations.push(operation);
  return [...violations, ...checkHistory(then, entries, accounts)];
}

describe("a backup of a server that is written to", () => {
  it("is one moment, which a restored server shows to the clients", { timeout: 300_000 }, async () => {
    const server = await ledger();
    const history = new History();
    for (let i = 0; i < 4; i++) clients.push(watchingClient(server.url, history));
    const stopping = new AbortController();
    const writing = clients.map(async (client) => {
      while (!stopping.signal.aborted) await addBySession(client, history);
    });
    await until("there is something to back up", () => acknowledged(history).length > 200);
    const before = acknowledged(history).length;
    const made = [await backUp(server), await backUp(server)];
    const during = acknowledged(history).length;
    await until("writing goes on", () => acknowledged(history).length > during + 50);
    stopping.abort();
    await Promise.all(writing);
    expect(during).toBeGreaterThan(before);

    for (const { backup, commitTs } of made) {
      const restored = await restore(backup);
      expect(restored).toMatchObject({ commitTs, missingFiles: 0 });
      const other = await serve(restored.dataFolder);
      expect(other.adminKey).toBe(server.adminKey);
      expect(await violationsAt(other, history, BigInt(commitTs))).toEqual([]);
      // An acknowledgement from before the backup began is in it.
      expect((await readLedger(other.url)).entries.length).toBeGreaterThanOrEqual(before);
      const client = new ConvexHttpClient(other.url);
      const add = makeFunctionReference<"mutation">("ledger:add");
      const totals = makeFunctionReference<"query">("ledger:totals");
      const { count } = (await client.query(totals, {})) as { count: number };
      await client.mutation(add, { key: "after", account: "a", amount: 1 });
      expect(await client.query(totals, {})).toMatchObject({ count: count + 1 });
      await push(other, ledgerProject());
      expect((await other.stop()).code).toBe(0);
      expect(await checkDataFolder(restored.dataFolder)).toEqual([]);
    }
    // The server that was backed up has noticed nothing.
    const now = BigInt(2n ** 63n - 1n);
    expect(await violationsAt(server, history, now)).toEqual([]);
    await server.kill9();
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
  });

  it("gives any moment since, with the log of the folder that went on", { timeout: 300_000 }, async () => {
    const server = await ledger();
    const history = new History();
    const client = watchingClient(server.url, history);
    clients.push(client);
    const add = async (count: number) => {
      for (let i = 0; i < count; i++) await addBySession(client, history);
    };
    await add(20);
    const { backup } = await backUp(server);
    await add(400);
    const all = acknowledged(history).map(({ outcome }) => outcome.ts);
    // Between two commits, however close: the first is there, the second is not.
    for (const at of [all[20] as bigint, (all[200] as bigint) - 1n, all.at(-1) as bigint]) {
      const restored = await restore(backup, "--log-of", server.dataFolder, "--at", String(at));
      expect(BigInt(restored.commitTs)).toBeLessThanOrEqual(at);
      const other = await serve(restored.dataFolder);
      expect(await violationsAt(other, history, at)).toEqual([]);
      expect((await readLedger(other.url)).entries.length).toBe(all.filter((ts) => ts <= at).length);
      await other.stop();
    }
    // Without the log it knows nothing of that, and nobody knows of times before it.
    const refused = async (...more: string[]) =>
      (await lenslet("restore", backup, "--data", inFolder("data"), ...more)).stderr;
    expect(await refused("--at", String(all.at(-1)))).toMatch(/This backup ends at .* --log-of/);
    expect(await refused("--at", "2001-01-01T00:00:00Z")).toMatch(/an earlier backup is needed/);
    expect(await refused("--log-of", server.dataFolder, "--at", "2101-01-01T00:00:00Z")).toMatch(
      /still to come/,
    );
    expect(await refused("--at", "yesterday")).toMatch(/a time with its zone is needed/);
    const stranger = await ledger();
    expect(await refused("--log-of", stranger.dataFolder)).toMatch(/does not go on where this backup ends/);
  });

  it("makes who followed the old history begin anew", { timeout: 180_000 }, async () => {
    const server = await ledger();
    const ask = async ({ url, adminKey }: TestServer, route: string, body: object) => {
      const response = await fetch(`${url}/api/${route}`, {
        method: "POST",
        headers: { authorization: `Convex ${adminKey}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    };
    const { backup, commitTs } = await backUp(server);
    const add = { key: "later", account: "a", amount: 1 };
    expect(await callHttp(server.url, "mutation", "ledger:add", add)).toMatchObject({ status: "success" });
    const followed = await ask(server, "document_deltas", { cursor: Number(commitTs) });
    expect(followed.status).toBe(200);
    const { dataFolder } = await restore(backup);
    const other = await serve(dataFolder);
    expect(fs.existsSync(path.join(dataFolder, "restored.json"))).toBe(false);
    for (const cursor of [followed.json["cursor"], Number(commitTs)]) {
      const { status, json } = await ask(other, "document_deltas", { cursor });
      expect([status, json["code"]]).toEqual([400, "InvalidDocumentDeltasCursor"]);
    }
  });
});

describe("stored files", () => {
  it(
    "are in the backup, and those stored later in the folder that went on",
    { timeout: 240_000 },
    async () => {
      const server = await TestServer.start();
      servers.push(server);
      const app = fileURLToPath(new URL("../../../conformance/files/app", import.meta.url));
      await push(server, TestProject.create(app));
      const upload = async (text: string): Promise<string> => {
        const answer = await callHttp(server.url, "mutation", "files:uploadUrl", {});
        if (answer.status !== "success") throw new Error(answer.errorMessage);
        const response = await fetch(answer.value as string, { method: "POST", body: text.repeat(50_000) });
        return ((await response.json()) as { storageId: string }).storageId;
      };
      const first = [await upload("one"), await upload("two")];
      const { backup } = await backUp(server);
      const third = await upload("three");
      const [gone = ""] = first;
      await callHttp(server.url, "mutation", "files:remove", { storageId: gone });
      await until("the contents are removed", async () => (await checkFiles(server)).size === 2);

      const asOfBackup = await restore(backup);
      expect(asOfBackup.missingFiles).toBe(0);
      expect(await checkFiles(await serve(asOfBackup.dataFolder))).toEqual(new Set(first));
      const newest = await restore(backup, "--log-of", server.dataFolder);
      expect(newest.missingFiles).toBe(0);
      expect(await checkFiles(await serve(newest.dataFolder))).toEqual(new Set([first[1], third]));
      await server.stop();
      const offline = await restore((await backUp(server)).backup);
      expect(offline.missingFiles).toBe(0);
      expect(await checkFiles(await serve(offline.dataFolder))).toEqual(new Set([first[1], third]));
    },
  );
});

describe("a backup that is not as it was made", () => {
  it("is refused, and so is a place that is taken", { timeout: 240_000 }, async () => {
    const server = await ledger();
    const { backup } = await backUp(server);
    const target = inFolder("data");
    const refused = async (change: (copy: string) => void): Promise<string> => {
      const copy = inFolder("copy");
      fs.cpSync(backup, copy, { recursive: true });
      change(copy);
      const { code, stderr, stdout } = await lenslet("restore", copy, "--data", target);
      expect([code, stdout]).toEqual([1, ""]);
      expect(fs.readdirSync(path.dirname(target))).toEqual([]);
      return stderr;
    };
    const log = (folder: string) =>
      path.join(folder, "log", fs.readdirSync(path.join(folder, "log")).sort()[0] as string);
    const store = (folder: string) => path.join(folder, "store.sqlite");
    expect(await refused((copy) => fs.truncateSync(store(copy), 50_000))).toMatch(
      /damaged: .*store\.sqlite: it has 50000 bytes instead of/,
    );
    expect(
      await refused((copy) => {
        const bytes = fs.readFileSync(log(copy));
        bytes[bytes.length - 1] = 0x21;
        fs.writeFileSync(log(copy), bytes);
      }),
    ).toMatch(/damaged: .*\.seg: its contents have changed/);
    expect(await refused((copy) => fs.rmSync(log(copy)))).toMatch(/the file is missing/);
    expect(await refused((copy) => fs.rmSync(path.join(copy, "manifest.json")))).toMatch(
      /not a finished backup/,
    );
    expect(await refused((copy) => fs.truncateSync(path.join(copy, "manifest.json"), 200))).toMatch(
      /manifest\.json: it is no JSON/,
    );

    const taken = await lenslet("restore", backup, "--data", server.dataFolder);
    expect([taken.code, taken.stderr]).toEqual([
      1,
      expect.stringMatching(/There is something at .* already/) as string,
    ]);
    const again = await lenslet("backup", "--data", server.dataFolder, "--to", backup);
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(/There is something at .* already/) as string,
    ]);
    const inside = path.join(server.dataFolder, "backup");
    const within = await lenslet("backup", "--data", server.dataFolder, "--to", inside);
    expect(within.stderr).toMatch(/inside of the data folder/);
    expect(await queryHttp(server.url, "ledger:totals")).toMatchObject({ count: 0 });
  });
});

describe("a backup that is cut off", () => {
  it("harms nobody and leaves nothing that looks like one", { timeout: 240_000 }, async () => {
    const server = await ledger();
    const history = new History();
    const client = watchingClient(server.url, history);
    clients.push(client);
    for (let i = 0; i < 50; i++) await addBySession(client, history);
    // Something to copy for a while.
    const files = path.join(server.dataFolder, "external-packages");
    fs.mkdirSync(files);
    for (let i = 0; i < 4; i++) fs.writeFileSync(path.join(files, `f${i}`), Buffer.alloc(50_000_000, i));
    const target = inFolder("backup");
    const start = () =>
      startLenslet(["backup", "--data", server.dataFolder, "--to", target], { cwd: tempFolder("cwd") });

    const killed = start();
    await killed.until("lenslet: files");
    killed.signal("SIGKILL");
    await killed.exit(120_000);
    expect(fs.existsSync(target)).toBe(false);
    await addBySession(client, history);

    const interrupted = start();
    await interrupted.until("lenslet: files");
    interrupted.signal("SIGINT");
    const { code, output } = await interrupted.exit(120_000);
    // Or it was done by then.
    if (code !== 0) {
      expect([code, output]).toEqual([1, expect.stringContaining("Interrupted. Nothing was left") as string]);
      expect(fs.existsSync(target)).toBe(false);
    }
    fs.rmSync(target, { recursive: true, force: true });

    const orphan = start();
    await orphan.until("lenslet: files");
    await server.kill9();
    const end = await orphan.exit(120_000);
    if (end.code !== 0) {
      expect(end.output).toMatch(/The server on this data folder does not answer/);
      expect(fs.existsSync(target)).toBe(false);
    }
    // What a killed server has left is backed up as well.
    const left = await restore((await backUp(server)).backup);
    await server.start();
    const now = BigInt(2n ** 63n - 1n);
    expect(await violationsAt(server, history, now)).toEqual([]);
    expect(await violationsAt(await serve(left.dataFolder), history, now)).toEqual([]);
    const { dataFolder } = await restore((await backUp(server)).backup);
    expect(await violationsAt(await serve(dataFolder), history, now)).toEqual([]);
  });
});
