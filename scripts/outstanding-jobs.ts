import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { TestProject } from "../conformance/support/project.ts";
import { TestServer } from "../conformance/support/server.ts";

/**
 * What outstanding scheduled functions cost: node scripts/outstanding-jobs.ts [count, default 1,000,000]
 * Prints, before and after they are scheduled: memory of the server, mutations per second of 32 connections in a closed
 * loop that schedule nothing, and the lag of jobs that are due at once.
 */
const outstanding = Number(process.argv[2] ?? 1_000_000);
/** Few enough for the time limit of a function on a busy machine. */
const jobsPerMutation = 200;
const connections = 32;
const mutations = 20_000;
const immediateJobs = 5000;

const server = await TestServer.start();
try {
  const app = fileURLToPath(new URL("../conformance/scheduler/app", import.meta.url));
  const project = TestProject.create(app).connect(server);
  project.remove("convex/crons.ts");
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(pushed.output);
  await measure("none outstanding (first round warms up)");
  await measure("none outstanding");
  let startedMs = performance.now();
  let scheduled = 0;
  await inParallel(Math.ceil(outstanding / jobsPerMutation), 4, async () => {
    await mutate("jobs:manyLater", { count: jobsPerMutation, ms: 24 * 3600 * 1000 });
    scheduled += jobsPerMutation;
    if (scheduled % 100_000 !== 0) return;
    const rate = 100_000 / ((performance.now() - startedMs) / 1000);
    console.log(`${scheduled} scheduled (${rate.toFixed(0)}/s), resident ${residentMib(server.pid)} MiB`);
    startedMs = performance.now();
  });
  await measure(`${outstanding} outstanding`);
  await measure(`${outstanding} outstanding`);
  const stopMs = performance.now();
  await server.kill9();
  await server.start();
  console.log(`kill -9 and start again: ${((performance.now() - stopMs) / 1000).toFixed(1)} s`);
  await measure(`${outstanding} outstanding, after the restart`);
} finally {
  await server.dispose();
}

async function measure(title: string): Promise<void> {
  const startedMs = performance.now();
  await inParallel(mutations, connections, () => mutate("jobs:beatNow", {}));
  const perSecond = mutations / ((performance.now() - startedMs) / 1000);
  await inParallel(immediateJobs, connections, () => mutate("jobs:noteLater", { text: "now", ms: 0 }));
  const { value } = (await call("query", "jobs:lately", { count: 1000 })) as {
    value: [number, number | string][];
  };
  const lags = value.map(([dueMs, ranMs]) => Number(ranMs) - dueMs).toSorted((a, b) => a - b);
  const lag = (share: number) => `${lags[Math.floor(lags.length * share)]?.toFixed(1)} ms`;
  console.log(
    `${title}: ${perSecond.toFixed(0)} mutations/s; lag p50 ${lag(0.5)}, p99 ${lag(0.99)}; resident ${residentMib(server.pid)} MiB`,
  );
}

async function inParallel(count: number, width: number, run: () => Promise<unknown>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

async function mutate(path: string, args: object): Promise<void> {
  const answer = await call("mutation", path, args);
  if (answer.status !== "success") throw new Error(JSON.stringify(answer));
}

async function call(kind: string, path: string, args: object): Promise<{ readonly status?: string }> {
  const response = await fetch(`${server.url}/api/${kind}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path, args, format: "json" }),
  });
  return (await response.json()) as { readonly status?: string };
}

/** Of a process and its children. */
function residentMib(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  const own = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  return Math.round(own + children.reduce((sum, child) => sum + residentMib(Number(child)), 0));
}
