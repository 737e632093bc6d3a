import { execFileSync } from "node:child_process";
import type { Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { seededRandom } from "../../../conformance/support/seededRandom.ts";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { holdOpen, readLedger, startLedger } from "./rig.ts";
import { checkFiles } from "./storedFiles.ts";

/** HTTP actions whose server, or whose process, is killed under them. */

const seed = Number(process.env["LENSLET_CRASH_SEED"] ?? 1);

let server: TestServer;
afterEach(() => server.dispose());

/** What HTTP actions have acknowledged. */
interface Told {
  readonly keys: string[];
  readonly files: string[];
  /** Downloads that came to their end. */
  downloads: number;
  /** Answers that were neither. */
  readonly failures: string[];
}

const downloadBytes = 3_000_000;
let keyCount = 0;

/** Resolves however the request ends. */
async function ask(told: Told, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    told.failures.push(String(error));
  }
}

async function post<T>(path: string, body: string | Uint8Array<ArrayBuffer>): Promise<T> {
  const response = await fetch(`${server.siteUrl}${path}`, { method: "POST", body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return JSON.parse(text) as T;
}

function add(told: Told): Promise<void> {
  const key = `http${keyCount++}`;
  return ask(told, async () => {
    await post("/add", JSON.stringify({ key, account: "a", amount: 1 }));
    told.keys.push(key);
  });
}
function store(told: Told, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  return ask(told, async () => {
    told.files.push((await post<{ storageId: string }>("/store", bytes)).storageId);
  });
}
function download(told: Told): Promise<void> {
  return ask(told, async () => {
    const response = await fetch(`${server.siteUrl}/zeros?bytes=${downloadBytes}`);
    const { byteLength } = await response.arrayBuffer();
    // What has been cut off must not look like the whole.
    expect(byteLength).toBe(downloadBytes);
    told.downloads += 1;
  });
}
/** An upload that claims more than will ever come. */
function halfUpload(): Socket {
  const head = "POST /store HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
  return holdOpen(server.sitePort, head, "half of it".repeat(1000));
}

async function checkLedger({ keys }: Told): Promise<void> {
  const { entries, violations } = await readLedger(server.url);
  expect(violations).toEqual([]);
  const there = entries.map(({ key }) => key);
  expect(new Set(there).size, "an action was run twice").toBe(there.length);
  expect(
    keys.filter((key) => !there.includes(key)),
    "acknowledged and lost",
  ).toEqual([]);
}

it(
  `kill -9 under HTTP actions leaves what they acknowledged, and nothing by halves (seed ${seed})`,
  { timeout: 300_000 },
  async () => {
    server = await startLedger();
    const random = seededRandom(seed);
    const told: Told = { keys: [], files: [], downloads: 0, failures: [] };
    for (let round = 0; round < 5; round++) {
      const work: Promise<void>[] = [];
      const halves = Array.from({ length: 5 }, halfUpload);
      for (let i = 0; i < 25; i++) {
        work.push(add(told), store(told, Buffer.alloc(1 + random(300_000), `round ${round} file ${i} `)));
        if (i % 3 === 0) work.push(download(told));
      }
      const before = told.keys.length + told.files.length;
      const enough = 1 + random(40);
      await until("enough is acknowledged", () => told.keys.length + told.files.length - before >= enough);
      await server.kill9();
      await Promise.all(work);
      for (const socket of halves) socket.destroy();
      await server.start();
      await checkLedger(told);
      const there = await checkFiles(server);
      expect(
        told.files.filter((id) => !there.has(id)),
        "acknowledged and lost",
      ).toEqual([]);
    }
    expect(told.failures.length, "nothing was interrupted").toBeGreaterThan(0);
    await download(told);
    expect(told.downloads).toBeGreaterThan(0);
    await server.stop();
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
  },
);

it("kill -9 of the processes that run them fails those that run, once", { timeout: 180_000 }, async () => {
  server = await startLedger();
  const told: Told = { keys: [], files: [], downloads: 0, failures: [] };
  for (let round = 0; round < 4; round++) {
    const work = Array.from({ length: 20 }, () => add(told));
    const halves = Array.from({ length: 5 }, halfUpload);
    const files = Array.from({ length: 10 }, (_, i) => store(told, Buffer.alloc(200_000, `${round} ${i}`)));
    const before = told.keys.length;
    await until("some are acknowledged", () => told.keys.length > before);
    const killed = childrenOf(server.pid);
    for (const pid of killed) process.kill(pid, "SIGKILL");
    await Promise.all([...work, ...files]);
    for (const socket of halves) socket.destroy();
    // One that had nothing to do is missed by nobody: the server may not know yet that it is gone.
    await until("the server knows it", () => !childrenOf(server.pid).some((pid) => killed.includes(pid)));
    // The next ones find another process.
    const failed = told.failures.length;
    await add(told);
    expect(told.failures.slice(failed)).toEqual([]);
    await checkLedger(told);
  }
  const there = await checkFiles(server);
  expect(told.files.filter((id) => !there.has(id))).toEqual([]);
  expect(told.failures.length, "nothing was interrupted").toBeGreaterThan(0);
  for (const failure of told.failures)
    expect(failure).toMatch(
      /Transient error while executing action|The process that ran this action has ended|fetch failed|terminated/,
    );
  expect(server.logs).not.toMatch(/defect|assert/i);
});

function childrenOf(pid: number): number[] {
  const list = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" });
  const rows = list.trim().split("\n");
  return rows
    .map((row) => row.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child as number);
}
