import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestEngine, callOf, valueOf } from "./testEngine.ts";

const files = {
  "notes.ts": `
    import { mutationGeneric, queryGeneric } from "convex/server";
    export const add = mutationGeneric(async (ctx) => {
      await ctx.db.insert("notes", {});
      return (await ctx.db.query("notes").collect()).length;
    });
    export const addUnlessEmpty = mutationGeneric(async (ctx) => {
      const isEmpty = (await ctx.db.query("notes").first()) === null;
      if (!isEmpty) await ctx.db.insert("notes", {});
      return isEmpty ? "empty" : "added";
    });
    export const count = queryGeneric(async (ctx) => (await ctx.db.query("notes").collect()).length);`,
};
const failure = { message: "Function execution timed out (maximum duration: 1s)\n" };

/** The engine dies between a commit and its answer: the log has it, the caller does not know. */
describe("a commit whose answer was lost with its engine", () => {
  let server: TestEngine;
  beforeEach(async () => {
    server = await TestEngine.start(files);
  });
  afterEach(() => server.dispose());

  /** Asks and steps on until the log holds the commit; nothing of the answer has arrived yet. */
  async function committedCall(): Promise<{ answer: Promise<unknown>; seq: number }> {
    const before = server.log.lastTs();
    const answer = server.client.mutation(callOf("notes:add")).then((result) => {
      events.push(`answer ${JSON.stringify(result.ok && valueOf(result))}`);
      return result;
    });
    while (server.log.lastTs() === before) expect(await server.step()).toBe(true);
    return { answer, seq: Number(new Float64Array(server.heartbeat.buffer)[2]) };
  }
  const events: string[] = [];

  it("is answered from the log, before anybody is shown it", async () => {
    const watched = await server.open("notes:count");
    const { answer } = await committedCall();
    events.splice(0);
    server.client.subscribe({
      published: (_ts, changed) => {
        // Sockets write at the end of a turn: what was said before is first.
        setImmediate(() => events.push(`shown ${changed.length}`));
      },
      deploymentChanged: () => {},
      executed: () => {},
    });
    await server.replaceEngine();
    expect(await answer).toMatchObject({ ok: true, valueJson: "1" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(events.slice(0, 2)).toEqual(["answer 1", "shown 1"]);
    expect(server.valueOf(watched)).toBe(1);
  });

  it("is not said to have failed, if the watchdog took its call for a runaway a moment too late", async () => {
    const { answer, seq } = await committedCall();
    await server.replaceEngine({ guilty: seq, failure });
    expect(await answer).toMatchObject({ ok: true, valueJson: "1" });
    expect(await server.query("notes:count")).toMatchObject({ valueJson: "1" });
  });

  it("is made once, though the next engine dies after it has made the store persistent", async () => {
    const { answer } = await committedCall();
    await server.replaceEngine();
    server.clock.advance(5000);
    await server.settle();
    await server.replaceEngine();
    expect(await answer).toMatchObject({ ok: true });
    expect(await server.query("notes:count")).toMatchObject({ valueJson: "1" });
  });

  it("does not come about for a call that ran away before it was committed", async () => {
    const answer = server.client.mutation(callOf("notes:add"));
    const seq = Number(new Float64Array(server.heartbeat.buffer)[2]) + 1;
    await server.replaceEngine({ guilty: seq, failure });
    expect(await answer).toEqual({ ok: false, error: failure, logLines: [], ts: null });
    expect(await server.query("notes:count")).toMatchObject({ valueJson: "0" });
  });
});

describe("a mutation that a session sends again", () => {
  it("is answered as before, also if it had nothing to write then and would have now", async () => {
    const server = await TestEngine.start(files);
    try {
      const session = { sessionId: "9a0c2f6e-1111-4222-8333-444455556666", requestId: 0 };
      const first = await server.mutation("notes:addUnlessEmpty", {}, { session });
      await server.mutation("notes:add");
      expect(await server.mutation("notes:addUnlessEmpty", {}, { session })).toEqual(first);
      await server.replaceEngine();
      expect(await server.mutation("notes:addUnlessEmpty", {}, { session })).toEqual(first);
      expect(await server.query("notes:count")).toMatchObject({ valueJson: "1" });
      const next = { ...session, requestId: 1 };
      expect(await server.mutation("notes:addUnlessEmpty", {}, { session: next })).toMatchObject({
        valueJson: '"added"',
      });
    } finally {
      server.dispose();
    }
  });
});
