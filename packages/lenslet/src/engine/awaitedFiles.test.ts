import { afterEach, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { roundsMax } from "./fileReads.ts";
import { callOf, TestEngine, valueOf } from "./testEngine.ts";

/* Mutations that read files whose contents are elsewhere: broken off, fetched for, run again. */

const app = {
  "schema.ts": `
    import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ notes: defineTable({ text: v.string() }) });`,
  "files.ts": `
    import { internalMutation, mutation, query } from "./_generated/server";
    import { internal } from "./_generated/api";
    const text = async (ctx, id) => {
      const blob = await ctx.storage.get(id);
      return blob === null ? null : await blob.text();
    };
    const note = async (ctx, text) => (await ctx.db.insert("notes", { text }), text);
    export const notes = query(async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text));
    export const plain = mutation((ctx, { text }) => note(ctx, text));
    export const atOnce = mutation(async (ctx, { ids }) => {
      await note(ctx, "begun");
      return await Promise.all(ids.map((id) => text(ctx, id)));
    });
    export const inTurn = mutation(async (ctx, { ids }) => {
      const texts = [];
      for (const id of ids) texts.push(await text(ctx, id));
      return await note(ctx, texts.join(" "));
    });
    export const caught = mutation(async (ctx, { id }) => {
      try {
        return await text(ctx, id);
      } catch (error) {
        return await note(ctx, "caught: " + error.message);
      }
    });
    export const one = internalMutation(async (ctx, { id }) => {
      const found = await text(ctx, id);
      await note(ctx, "nested " + found);
      return found;
    });
    export const nested = mutation((ctx, { ids }) =>
      Promise.all(ids.map((id) => ctx.runMutation(internal.files.one, { id }))));
    export const nestedInTurn = mutation(async (ctx, { ids }) => {
      const texts = [];
      for (const id of ids) texts.push(await ctx.runMutation(internal.files.one, { id }).catch(({ message }) => message));
      return texts;
    });
    /** What runs beside it must not see that the first attempt knows nothing yet. */
    export const race = mutation((ctx, { id }) =>
      Promise.race([text(ctx, id), ctx.db.query("notes").collect().then(() => "the query was first")]));
    export const unawaited = mutation(async (ctx, { id }) => {
      void text(ctx, id);
      return await note(ctx, "done");
    });
    export const fails = mutation(async (ctx, { id }) => {
      void text(ctx, id);
      throw new Error("on purpose");
    });
    export const later = mutation((ctx, { id }) => ctx.scheduler.runAfter(0, internal.files.one, { id }));
    export const remove = mutation((ctx, { id }) => ctx.storage.delete(id));
    export const draws = mutation(async (ctx, { ids }) => {
      const id = ids[Math.floor(Math.random() * ids.length)];
      return (await text(ctx, id)) + (await text(ctx, ids[Math.floor(Math.random() * ids.length)]));
    });`,
};

let server: TestEngine;
afterEach(() => server.dispose());

/** The store elsewhere: what is under each key, and what was asked for. */
class Elsewhere {
  readonly contents = new Map<string, string>();
  readonly asked: string[] = [];
  /** Set to keep everybody waiting. */
  held: Promise<void> | null = null;
  down: Error | null = null;
  atOnce = 0;
  atOnceMax = 0;

  readonly fetch = async (key: string): Promise<Uint8Array | null> => {
    this.asked.push(key);
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
    try {
      await this.held;
      if (this.down !== null) throw this.down;
      const text = this.contents.get(key);
      return text === undefined ? null : Buffer.from(text);
    } finally {
      this.atOnce--;
    }
  };

  /** Everybody waits until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.held = promise;
    return () => {
      this.held = null;
      resolve();
    };
  }
}
let elsewhere: Elsewhere;

async function start(): Promise<void> {
  elsewhere = new Elsewhere();
  server = await TestEngine.start(app, { fetchContents: elsewhere.fetch });
}

let keys = 0;
async function file(text: string): Promise<string> {
  const key = String(++keys).padStart(32, "0");
  elsewhere.contents.set(key, text);
  const fileId = `00000000-0000-4000-8000-${String(keys).padStart(12, "0")}`;
  const row = { component: "", sha256: "", contentType: "text/plain", size: text.length, fileId, key };
  return (await server.system("files.store", row)) as string;
}
const keyOf = (text: string) => [...elsewhere.contents].find(([, other]) => other === text)?.[0] as string;
const notes = async () => valueOf(await server.query("files:notes"));
const run = async (name: string, args: object) => {
  const result = await server.mutation(`files:${name}`, args as never);
  return result.ok ? valueOf(result) : result.error.message;
};

it("reads one file, several at once in one round, and one after another", async () => {
  await start();
  const ids = [await file("a"), await file("b"), await file("c")];
  expect(await run("atOnce", { ids: ids.slice(0, 1) })).toEqual(["a"]);
  expect(await run("atOnce", { ids })).toEqual(["a", "b", "c"]);
  expect(elsewhere.atOnceMax).toBe(3);
  expect(await run("inTurn", { ids: [...ids, ids[0]] })).toBe("a b c a");
  // What a call has fetched it does not fetch again, and nobody else has it.
  expect(elsewhere.asked).toHaveLength(1 + 3 + 3);
  expect(await notes()).toEqual(["begun", "begun", "a b c a"]);
  expect(server.defects).toEqual([]);
});

it("does everything once, whatever else the broken-off attempt does", async () => {
  await start();
  const id = await file("text");
  expect(await run("race", { id })).toBe("text");
  expect(await run("unawaited", { id })).toBe("done");
  expect(await run("fails", { id })).toContain("on purpose");
  expect(await notes()).toEqual(["done"]);
  const entries = server.executed.filter(({ identifier }) => String(identifier).endsWith(":unawaited"));
  expect(entries).toHaveLength(1);
});

it("reads in nested mutations, several of them in one round", async () => {
  await start();
  const ids = [await file("a"), await file("b")];
  expect(await run("nested", { ids })).toEqual(["a", "b"]);
  expect(elsewhere.atOnceMax).toBe(2);
  expect(await run("nestedInTurn", { ids })).toEqual(["a", "b"]);
  expect(await notes()).toEqual(["nested a", "nested b", "nested a", "nested b"]);
});

it("reads in scheduled mutations, and tries them again while the store is away", async () => {
  await start();
  const id = await run("later", { id: await file("a") });
  elsewhere.down = new LensletError("FeatureTemporarilyUnavailable", "FileStoreUnavailable", "it is away");
  const job = { kind: "function", id: id as string } as const;
  await expect(server.settled(server.client.runJob(job))).rejects.toThrow("it is away");
  expect(await notes()).toEqual([]);
  elsewhere.down = null;
  expect(await server.settled(server.client.runJob(job))).toEqual({ kind: "settled" });
  expect(await notes()).toEqual(["nested a"]);
});

it("tells the function why contents cannot be had; nothing else is harmed, and nothing half done", async () => {
  await start();
  const id = await file("a");
  const lost = await file("lost");
  elsewhere.contents.delete(keyOf("lost"));
  expect(await run("atOnce", { ids: [id, lost] })).toContain(
    "Uncaught Error: The file store has lost the contents of this file.",
  );
  elsewhere.down = new LensletError("FeatureTemporarilyUnavailable", "FileStoreUnavailable", "it is away");
  expect(await run("atOnce", { ids: [id] })).toContain("Uncaught Error: it is away");
  expect(await run("plain", { text: "others go on" })).toBe("others go on");
  expect(await run("caught", { id })).toBe("caught: it is away");
  elsewhere.down = new Error("a defect, with secrets");
  expect(await run("caught", { id })).toBe("caught: Your request couldn't be completed. Try again later.");
  elsewhere.down = null;
  expect(await run("caught", { id })).toBe("a");
  expect(await notes()).toEqual([
    "others go on",
    "caught: it is away",
    "caught: Your request couldn't be completed. Try again later.",
  ]);
});

it("lets others go on, and finds what has happened meanwhile", async () => {
  await start();
  const id = await file("a");
  const release = elsewhere.hold();
  const first = server.client.mutation(callOf("files:inTurn", { ids: [id] }));
  const second = server.client.mutation(callOf("files:caught", { id }));
  expect(await run("plain", { text: "meanwhile" })).toBe("meanwhile");
  expect(await run("remove", { id })).toBeNull();
  release();
  // Deleted before they ran.
  expect(valueOf(await server.settled(first))).toBe("");
  expect(valueOf(await server.settled(second))).toBeNull();
  expect(await notes()).toEqual(["meanwhile", ""]);
});

it("keeps the order of a session's mutations", async () => {
  await start();
  const id = await file("a");
  const release = elsewhere.hold();
  const session = (requestId: number, sessionId = "s1") => ({ session: { sessionId, requestId } });
  const call = (name: string, args: object, requestId: number, sessionId?: string) =>
    server.client.mutation({ ...callOf(`files:${name}`, args as never), ...session(requestId, sessionId) });
  const calls = [
    call("inTurn", { ids: [id] }, 0),
    call("plain", { text: "second" }, 1),
    call("inTurn", { ids: [id] }, 2),
    call("plain", { text: "fourth" }, 3),
    // Sent again by a client that has lost its connection: answered as the first time.
    call("inTurn", { ids: [id] }, 2),
  ];
  await server.settled(call("plain", { text: "another session" }, 0, "s2"));
  release();
  const results = await server.settled(Promise.all(calls));
  expect(results.map(valueOf)).toEqual(["a", "second", "a", "fourth", "a"]);
  expect(await notes()).toEqual(["another session", "a", "second", "a", "fourth"]);
});

it("goes on with the next engine when one is lost while a call waits", async () => {
  await start();
  const id = await file("a");
  const session = (requestId: number) => ({ session: { sessionId: "s1", requestId } });
  const release = elsewhere.hold();
  const first = server.client.mutation({ ...callOf("files:inTurn", { ids: [id] }), ...session(0) });
  const second = server.client.mutation({ ...callOf("files:plain", { text: "after" }), ...session(1) });
  await server.settle();
  expect(elsewhere.asked).toHaveLength(1);
  await server.replaceEngine();
  expect(elsewhere.asked).toHaveLength(2);
  release();
  expect(valueOf(await server.settled(first))).toBe("a");
  expect(valueOf(await server.settled(second))).toBe("after");
  expect(await notes()).toEqual(["a", "after"]);
});

it("bounds how often a call is run again, however it draws its files", async () => {
  await start();
  const ids: string[] = [];
  for (let i = 0; i < roundsMax + 1; i++) ids.push(await file(`${i}`));
  expect(await run("inTurn", { ids })).toContain(
    `A mutation may read ${roundsMax} files of this file store one after another.`,
  );
  expect(await run("inTurn", { ids: ids.slice(0, roundsMax) })).toContain(`${roundsMax - 1}`);
  // Each attempt draws others: it ends, with an answer or without.
  expect(typeof (await run("draws", { ids }))).toBe("string");
});
