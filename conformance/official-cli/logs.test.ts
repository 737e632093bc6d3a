import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { openSample } from "./sample.ts";

let server: TestServer;
let project: TestProject;
let author: string;

beforeAll(async () => {
  ({ server, project } = await openSample());
  author = (await server.call("users:create", { name: "Ann" })) as string;
  await send("one");
  await send("two");
  await expect(send("boom")).rejects.toThrow("the message exploded");
});
afterAll(() => server.dispose());

async function send(body: string): Promise<void> {
  await server.call("messages:send", { author, body });
}

/** Lets `convex logs` print up to `last`, then ends it. */
async function logs(args: readonly string[], last: RegExp | string): Promise<string> {
  const run = project.startConvex(["logs", ...args]);
  try {
    await run.until(last);
    run.signal("SIGINT");
    return (await run.exit()).stdout;
  } finally {
    await run.dispose();
  }
}

const time = String.raw`\d+/\d+/\d+, \d+:\d\d:\d\d [AP]M`;

describe("convex logs", () => {
  it("prints history: log lines, errors with their stack, and successes on request", async () => {
    const failed = `${time} \\[CONVEX M\\(messages:send\\)\\] Uncaught Error: the message exploded\n {4}at handler \\(\\.\\./convex/messages\\.ts:29:\\d+\\)\n`;
    const all = await logs(["--history", "--success"], "exploded\n    at handler");
    expect(all).toMatch(
      new RegExp(
        [
          `^${time} \\[CONVEX M\\(users:create\\)\\] Function executed in \\d+ ms`,
          `${time} \\[CONVEX M\\(messages:send\\)\\] \\[LOG\\] 'sending' \\{ length: 3 \\}`,
          `${time} \\[CONVEX M\\(messages:send\\)\\] Function executed in \\d+ ms`,
          `${time} \\[CONVEX M\\(messages:send\\)\\] \\[LOG\\] 'sending' \\{ length: 3 \\}`,
          `${time} \\[CONVEX M\\(messages:send\\)\\] Function executed in \\d+ ms`,
          failed,
        ].join("\n"),
      ),
    );
    expect(await logs(["--history", "1"], "at handler")).toMatch(new RegExp(`^${failed}`));
  });

  it("goes on with what runs now, and without --history starts there", async () => {
    const run = project.startConvex(["logs"]);
    try {
      await run.until("Watching logs");
      // The first batch only tells it where to start, so it may miss what runs before that has arrived.
      const line = "[LOG] 'sending' { length: 10 }";
      while (!run.output.includes(line)) {
        await send("0123456789");
        await sleep(100);
      }
      expect(run.output).not.toContain("exploded");
    } finally {
      await run.dispose();
    }
  });

  it("prints whole entries with --jsonl", async () => {
    const lines = (await logs(["--history", "3", "--jsonl"], /\n\{.*\n\{.*\n\{.*\n/)).trimEnd().split("\n");
    expect(lines.length).toBeGreaterThanOrEqual(3);
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({
        kind: "Completion",
        udfType: "Mutation",
        identifier: "messages:send",
        requestId: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
        executionTime: expect.any(Number) as number,
      });
    }
  });

  it("prints what actions and HTTP actions do, each under its letter", async () => {
    await server.call("actions:addTwice", { text: "from an action" });
    expect(await (await fetch(`${server.siteUrl}/hello`)).text()).toBe("hello");
    const last = new RegExp(`^${time} \\[CONVEX H\\(GET /hello\\)\\] Function executed in \\d+ ms$`, "m");
    const all = await logs(["--history", "--success"], last);
    expect(all).toContain(" [CONVEX A(actions:addTwice)] [LOG] 'adding' 'from an action'\n");
    expect(all).toMatch(/ \[CONVEX M\(notes:add\)\] Function executed in \d+ ms\n/);
    expect(all).toMatch(/ \[CONVEX A\(actions:addTwice\)\] Function executed in \d+ ms\n/);
    // The old flag says what it is now.
    const run = project.startConvex(["logs", "--tail", "1", "--success"]);
    try {
      await run.until(last);
      expect(run.output).toContain("Treating it as `--history`");
      expect(run.output).not.toContain("addTwice");
    } finally {
      await run.dispose();
    }
  });

  it("tells what it cannot do with a deployment that hosts itself", async () => {
    const { code, output } = await project.convex(["logs", "--prod"]);
    expect([code, output]).toEqual([
      1,
      expect.stringContaining("cannot be used with a self-hosted deployment"),
    ]);
  });
});
