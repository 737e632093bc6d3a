import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, until } from "../support/until.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

/** What harms its process, as an action, an HTTP action and a scheduled one, beside neighbours of every kind. */

let server: TestServer;
let client: ConvexHttpClient;

beforeAll(async () => {
  server = await TestServer.start();
  const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(pushed.output);
  client = new ConvexHttpClient(server.url, { logger: false });
}, 120_000);
afterAll(async () => {
  await server.dispose();
});

type Args = Record<string, string>;
/** The value of a call, or the text of its error. */
type Call = (args: Args) => Promise<string>;

const action =
  (path: string): Call =>
  (args) =>
    client.action(makeFunctionReference<"action">(path), args).then(String, (error: Error) => error.message);

const http =
  (path: string): Call =>
  async (args) =>
    await (await fetch(`${server.siteUrl}${path}?${String(new URLSearchParams(args))}`)).text();

interface Job {
  readonly state: { readonly kind: string; readonly error?: string };
}

const scheduled =
  (path: string): Call =>
  async (args) => {
    const id: unknown = await client.mutation(makeFunctionReference<"mutation">("harm:schedule"), {
      path,
      args,
    });
    const ended = await eventually(
      async () => {
        const job = (await client.query(makeFunctionReference<"query">("harm:job"), { id })) as Job;
        return job.state.kind === "pending" || job.state.kind === "inProgress" ? null : job.state;
      },
      { timeoutMs: 300_000 },
    );
    return ended.error ?? ended.kind;
  };

/** Each with what it answers in the end. */
const neighbours: Readonly<Record<string, readonly [Call, string]>> = {
  action: [action("harm:stays"), "action stayed"],
  node: [action("harmNode:stays"), "node stayed"],
  http: [http("/stays"), "http stayed"],
  job: [scheduled("harm:stays"), "success"],
  nodeJob: [scheduled("harmNode:stays"), "success"],
};

const add = (text: string) => client.mutation(makeFunctionReference<"mutation">("notes:add"), { text });
/** How often. */
const noted = async (text: string) =>
  ((await client.query(makeFunctionReference<"query">("notes:list"), {})) as string[]).filter(
    (note) => note === text,
  ).length;

let rounds = 0;

/** What those answer who do harm beside neighbours; `outlasted`: the neighbours have to end before they do. */
async function harmBesideNeighbours(
  calls: readonly Call[],
  how: string,
  outlasted: boolean,
): Promise<string[]> {
  const round = `round ${++rounds}`;
  const names = Object.keys(neighbours);
  const staying = names.map(async (name) => [name, await neighbours[name]![0]({ name, round })]);
  for (const name of names)
    await until(`${name} is there`, async () => (await noted(`${round}: ${name} is there`)) === 1);
  // Until they are no longer of the same moment.
  await sleep(200);
  let overCount = 0;
  const harmed = calls.map((call) => call({ how, round }).finally(() => overCount++));
  await until("the harm begins", async () => (await noted(`${round}: ${how}`)) === calls.length);
  if (outlasted) await sleep(500);
  else await Promise.all(harmed);
  await add(`${round}: go`);
  expect(Object.fromEntries(await Promise.all(staying))).toEqual(
    Object.fromEntries(names.map((name) => [name, neighbours[name]![1]])),
  );
  for (const name of names) expect(await noted(`${round}: ${name} has gone`)).toBe(1);
  if (outlasted) expect(overCount).toBe(0);
  return await Promise.all(harmed);
}

const memory = /ran out of memory \(maximum memory usage: \d+ MB\)/;
const loop = /Function execution unexpectedly timed out/;
const exit = /Uncaught process\.exit: process\.exit\(\) called with exit code 3/;

describe("neighbours of every kind go on and answer", { timeout: 400_000 }, () => {
  it.each<[string, string, Call, RegExp]>([
    ["an action takes all memory", "hoards", action("harm:harms"), memory],
    ["an HTTP action takes all memory", "hoards", http("/harms"), memory],
    ["a scheduled Node action takes all memory", "hoards", scheduled("harmNode:harms"), memory],
    ["an action's timer throws", "throwsInTimer", action("harm:harms"), /Uncaught Error: thrown by a timer/],
    ["an HTTP action's timer throws", "throwsInTimer", http("/harms"), /Uncaught Error: thrown by a timer/],
    [
      "the timer of a scheduled Node action throws",
      "throwsInTimer",
      scheduled("harmNode:harms"),
      /Uncaught uncaughtException: thrown by a timer/,
    ],
    ["an action exits", "exits", action("harmNode:harms"), exit],
    ["a scheduled action exits", "exits", scheduled("harmNode:harms"), exit],
    ["an action aborts", "aborts", action("harmNode:harms"), /The process that ran this action has ended/],
    ["a default-runtime action exits", "exits", action("harm:harms"), /process\.exit is not a function/],
  ])("while %s", async (_name, how, call, expected) => {
    const [answer] = await harmBesideNeighbours([call], how, false);
    expect(answer).toMatch(expected);
  });

  it("while an action, an HTTP action and a scheduled action loop", async () => {
    const looping = [action("harmNode:harms"), http("/harms"), scheduled("harm:harms")];
    for (const answer of await harmBesideNeighbours(looping, "loops", true)) expect(answer).toMatch(loop);
  });
});

it("were no defects of the server", () => {
  expect(server.logs).not.toMatch(/defect|assert/i);
});
