import { fileURLToPath } from "node:url";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import type { GenericId } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { api } from "./api.ts";

type JobId = GenericId<"_scheduled_functions">;
interface Job {
  readonly _id: JobId;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly state: { readonly kind: string; readonly error?: string };
  readonly completedTime?: number;
}

let server: TestServer;
let project: TestProject;
let http: ConvexHttpClient;
let live: ConvexClient;
beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(`the push failed: ${pushed.output}`);
  http = new ConvexHttpClient(server.url, { logger: false });
  live = new ConvexClient(server.url, { logger: false });
}, 120_000);
afterAll(async () => {
  await live.close();
  await server.dispose();
});

/** All states that a live query shows of one job, until it has ended. */
async function watch(id: JobId): Promise<{ states: string[]; job: Job }> {
  const states: string[] = [];
  let job: Job | null = null;
  const stop = live.onUpdate(api.jobs.job, { id }, (shown) => {
    job = shown as unknown as Job;
    if (states.at(-1) !== job.state.kind) states.push(job.state.kind);
  });
  try {
    await until("the job has ended", () => job?.completedTime !== undefined);
  } finally {
    stop();
  }
  return { states, job: job as unknown as Job };
}

async function notes(): Promise<string[]> {
  return (await http.query(api.jobs.notes, {})) as string[];
}

async function untilNoted(text: string): Promise<void> {
  let shown: readonly string[] = [];
  const stop = live.onUpdate(api.jobs.notes, {}, (all) => {
    shown = all as string[];
  });
  await until(`${text} is noted`, () => shown.includes(text)).finally(stop);
}

describe("scheduled functions, seen by the official clients", () => {
  it("a mutation schedules a mutation, and its state is live", async () => {
    const id = (await http.mutation(api.jobs.noteLater, { text: "later", ms: 300 })) as JobId;
    const { states, job } = await watch(id);
    expect(states).toEqual(["pending", "success"]);
    expect(job).toMatchObject({ name: "jobs.js:note", args: [{ text: "later" }] });
    expect(await notes()).toContain("later");
  });

  it("one that throws has failed, with its error", async () => {
    const id = (await http.mutation(api.jobs.noteLater, { text: "boom", ms: 0 })) as JobId;
    const { job } = await watch(id);
    expect(job.state.kind).toBe("failed");
    expect(job.state.error).toMatch(
      /^Uncaught Error: no such note\n {4}at handler \(.*jobs\.ts:\d+:\d+\)\n$/,
    );
  });

  it("a scheduled action runs, calls, and schedules", async () => {
    const id = (await http.mutation(api.jobs.actLater, { text: "one" })) as JobId;
    expect((await watch(id)).job.state).toEqual({ kind: "success" });
    await untilNoted("after one");
    expect(await notes()).toContain("action one string");
  });

  it("an action that throws has failed; what it did before stays", async () => {
    const id = (await http.mutation(api.jobs.actLater, { text: "fails" })) as JobId;
    const { job } = await watch(id);
    expect(job.state.error).toMatch(/^Uncaught Error: as it was told\n/);
    await untilNoted("after fails");
  });

  it("an action schedules and cancels at once", async () => {
    const canceled = (await http.action(api.jobs.fromAction, { text: "from an action" })) as JobId;
    await untilNoted("from an action");
    expect(((await http.query(api.jobs.job, { id: canceled })) as unknown as Job).state).toEqual({
      kind: "canceled",
    });
    await expect(http.action(api.jobs.badlyFromAction, {})).rejects.toThrow(
      "Attempted to schedule function at nonexistent path: nowhere.js",
    );
  });

  it("a canceled action goes on, stays canceled, and schedules nothing that runs", async () => {
    const id = (await http.mutation(api.jobs.slowLater, {})) as JobId;
    let started = false;
    const stop = live.onUpdate(api.jobs.job, { id }, (shown) => {
      started ||= (shown as unknown as Job).state.kind === "inProgress";
    });
    await until("the action has started", () => started).finally(stop);
    await http.mutation(api.jobs.cancel, { id });
    let all: readonly Job[] = [];
    const stopAll = live.onUpdate(api.jobs.jobs, {}, (shown) => {
      all = shown as unknown as Job[];
    });
    const child = () => all.find(({ args }) => JSON.stringify(args).includes("of a canceled action"));
    await until("it has scheduled something", () => child() !== undefined).finally(stopAll);
    expect(child()?.state).toEqual({ kind: "canceled" });
    expect(((await http.query(api.jobs.job, { id })) as unknown as Job).state).toEqual({ kind: "canceled" });
    expect(await notes()).not.toContain("of a canceled action");
  });

  it("shows in the official CLI's data and logs", async () => {
    const data = await project.convex(["data", "_scheduled_functions", "--limit", "50"]);
    expect(data.output).toContain("jobs.js:note");
  });
});

describe("scheduled functions of a component", () => {
  it("run its own functions and those of a handle, and are its own", async () => {
    const before = (await http.query(api.jobs.jobs, {})).length;
    const [own, byHandle, waiting] = (await http.mutation(api.jobs.componentLater, {})) as [
      string,
      string,
      string,
    ];
    let state = { rings: [] as string[], states: [] as string[] };
    const stop = live.onUpdate(api.jobs.componentState, {}, (shown) => {
      state = shown;
    });
    await untilNoted("by handle");
    await until("its own job has run", () => state.rings.includes("job")).finally(stop);
    // The app cannot cancel what the component scheduled.
    await http.mutation(api.jobs.cancel, { id: waiting as JobId });
    expect((await http.query(api.jobs.componentState, {})).states.toSorted()).toEqual([
      "jobs.js:note success",
      "timer.js:ring pending",
      "timer.js:ring success",
    ]);
    await http.mutation(api.jobs.componentCancel, { id: waiting });
    const { rings, states } = await http.query(api.jobs.componentState, {});
    expect(states).toContain("timer.js:ring canceled");
    expect(rings).toEqual(["cron", "job"]);
    expect((await http.query(api.jobs.jobs, {})).length).toBe(before);
    expect(new Set([own, byHandle, waiting]).size).toBe(3);
  });
});

describe("crons, pushed by the official CLI", () => {
  it("an interval runs from the push on, an action too", async () => {
    let beats = 0;
    const stop = live.onUpdate(api.jobs.beats, {}, (count) => {
      beats = count as number;
    });
    await until("three beats", () => beats >= 3).finally(stop);
    await untilNoted("from a cron's action");
    expect(await notes()).not.toContain("somebody");
  });

  it("removed crons stop, and an impossible one is refused", async () => {
    project.write(
      "convex/crons.ts",
      cronsFile(`crons.cron("never", "0 0 30 2 *", anyApi.jobs.beat, { by: "never" });`),
    );
    const push = ["dev", "--once", "--typecheck", "disable", "--codegen", "disable"];
    const refused = await project.convex(push);
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain('The cron spec "0 0 30 2 *" will never match any time');
    project.write(
      "convex/crons.ts",
      cronsFile(`crons.hourly("act", { minuteUTC: 5 }, anyApi.jobs.cronAction);`),
    );
    expect((await project.convex(push)).code).toBe(0);
    const listed = await admin("_system/frontend/listCronJobs:default");
    expect((listed as { name: string }[]).map(({ name }) => name)).toEqual(["act"]);
  });
});

function cronsFile(lines: string): string {
  return `import { anyApi, cronJobs } from "convex/server";\nconst crons = cronJobs();\n${lines}\nexport default crons;\n`;
}

async function admin(path: string): Promise<unknown> {
  const response = await fetch(`${server.url}/api/query`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${server.adminKey}` },
    body: JSON.stringify({ path, args: {}, format: "convex_encoded_json" }),
  });
  return ((await response.json()) as { value: unknown }).value;
}
