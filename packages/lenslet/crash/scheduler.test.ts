import { afterEach, expect, it } from "vitest";
import { seededRandom } from "../../../conformance/support/seededRandom.ts";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkDataFolder } from "./dataFolderCheck.ts";
import { callHttp, queryHttp, startLedger } from "./rig.ts";

const seed = Number(process.env["LENSLET_CRASH_SEED"] ?? 1);

interface Job {
  readonly name: string;
  readonly args: readonly { readonly key?: string }[];
  readonly state: { readonly kind: string; readonly error?: string };
}

const open: TestServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.dispose();
});

async function start(): Promise<TestServer> {
  const server = await startLedger();
  open.push(server);
  return server;
}

let planCount = 0;
/** Keys of acknowledged plans go to `acknowledged`; the others may have been made or not. */
async function plan(server: TestServer, acknowledged: string[]): Promise<void> {
  const key = `plan${planCount++}`;
  try {
    const answer = await callHttp(server.url, "mutation", "jobs:plan", { key });
    if (answer.status === "success") acknowledged.push(key);
  } catch {
    // The server died first.
  }
}

/** Until every job has ended, also those that running jobs scheduled. */
async function allEnded(server: TestServer): Promise<readonly Job[]> {
  let jobs: readonly Job[] = [];
  let isAsking = false;
  const ask = async () => {
    isAsking = true;
    jobs = await queryHttp<Job[]>(server.url, "jobs:jobs");
    isAsking = false;
  };
  await until("every job has ended", () => {
    if (!isAsking) void ask();
    return (
      jobs.length > 0 && jobs.every(({ state }) => state.kind !== "pending" && state.kind !== "inProgress")
    );
  });
  return jobs;
}

async function violations(server: TestServer, acknowledged: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const jobs = await allEnded(server);
  const plans = new Set(await queryHttp<string[]>(server.url, "jobs:plans"));
  const counts = new Map<string, number>();
  for (const [key, what] of await queryHttp<[string, string][]>(server.url, "jobs:runs")) {
    counts.set(`${key} ${what}`, (counts.get(`${key} ${what}`) ?? 0) + 1);
  }
  for (const key of acknowledged) if (!plans.has(key)) found.push(`${key} is lost`);
  for (const key of plans) {
    for (const what of ["hop 2", "hop 1", "hop 0"]) {
      const times = counts.get(`${key} ${what}`) ?? 0;
      if (times !== 1) found.push(`${what} of ${key} ran ${times} times`);
    }
  }
  const actions = jobs.filter(({ name }) => name === "jobs.js:act");
  if (actions.length !== plans.size) found.push(`${plans.size} plans have ${actions.length} actions`);
  for (const { args, state } of actions) {
    const times = counts.get(`${args[0]?.key} act`) ?? 0;
    if (times > 1) found.push(`an action ran ${times} times`);
    if (state.kind === "success" && times !== 1) found.push(`an action that succeeded ran ${times} times`);
    if (state.kind === "failed" && state.error !== "Transient error while executing action")
      found.push(`an action failed with ${state.error}`);
  }
  for (const { name, state } of jobs) {
    if (name === "jobs.js:hop" && state.kind !== "success")
      found.push(`a hop is ${state.kind}: ${state.error}`);
  }
  return found;
}

it(
  `kill -9 under scheduled functions loses and doubles none (seed ${seed})`,
  { timeout: 300_000 },
  async () => {
    const server = await start();
    const random = seededRandom(seed);
    const acknowledged: string[] = [];
    for (let round = 0; round < 6; round++) {
      const before = acknowledged.length;
      const calls = Array.from({ length: 150 }, () => plan(server, acknowledged));
      const enough = 1 + random(140);
      await until("enough plans are acknowledged", () => acknowledged.length - before >= enough);
      await server.kill9();
      await Promise.all(calls);
      await server.start();
      // Every other time the server dies again while it catches up.
      if (round % 2 === 1) {
        await plan(server, acknowledged);
        await server.kill9();
        await server.start();
      }
    }
    expect(await violations(server, acknowledged)).toEqual([]);
    await server.stop();
    expect(await checkDataFolder(server.dataFolder)).toEqual([]);
  },
);

it("dies at named moments of the way of a job", { timeout: 180_000 }, async () => {
  const server = await start();
  const acknowledged: string[] = [];
  // Later than anything that the start of a server passes, on a slow machine too.
  for (const failpoint of ["engine.appended:12", "engine.answering:30", "net.durable:18", "net.durable:25"]) {
    await server.stop();
    await server.start({ env: { LENSLET_FAILPOINT: failpoint } });
    const died = server.ended(60_000);
    const calls = Array.from({ length: 40 }, () => plan(server, acknowledged));
    expect(await died, failpoint).toMatchObject({ signal: "SIGKILL" });
    await Promise.all(calls);
    await server.start();
    expect(await violations(server, acknowledged), failpoint).toEqual([]);
  }
});

it("a scheduled mutation that never ends fails alone", { timeout: 120_000 }, async () => {
  const server = await start();
  const acknowledged: string[] = [];
  await Promise.all(Array.from({ length: 20 }, () => plan(server, acknowledged)));
  await callHttp(server.url, "mutation", "jobs:spinLater", {});
  await Promise.all(Array.from({ length: 20 }, () => plan(server, acknowledged)));
  expect(await violations(server, acknowledged)).toEqual([]);
  const spin = (await allEnded(server)).find(({ name }) => name === "jobs.js:spin");
  expect(spin?.state).toMatchObject({
    kind: "failed",
    error: expect.stringContaining("Function execution timed out"),
  });
  expect(acknowledged).toHaveLength(40);
  const runs = await queryHttp<[string, string][]>(server.url, "jobs:runs");
  expect(runs.filter(([key]) => key === "spin")).toEqual([]);
});
