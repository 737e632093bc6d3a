"use node";

import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { actionGeneric as action, anyApi } from "convex/server";
import { v } from "convex/values";

/** The same of the Node runtime. */
const notes = anyApi["notes"]!;
const probes = anyApi["probes"]!;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const hash = action({
  args: { text: v.string() },
  handler: async (_ctx, { text }) => createHash("sha1").update(text).digest("hex"),
});

export const calls = action({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(notes["add"]!, { text });
    const seen = ((await ctx.runQuery(notes["list"]!, {})) as string[]).includes(text);
    const fromDefault: unknown = await ctx.runAction(probes["wait"]!, { ms: 1, i: 3 });
    return { seen, fromDefault };
  },
});

export const platform = action({
  args: { url: v.string() },
  handler: async (_ctx, { url }) => {
    const storage = new AsyncLocalStorage<string>();
    return {
      answer: (await (await fetch(url)).json()) as unknown,
      store: await storage.run("inside", async () => {
        await pause(1);
        return storage.getStore();
      }),
      answerOfImport: (await import("./late.ts")).answer,
      buffer: Buffer.from("abc").toString("hex"),
      own: process.env["OWN_SETTING"] ?? null,
      machine: process.env["HOME"] ?? null,
    };
  },
});

export const wait = action({
  args: { ms: v.number(), i: v.number() },
  handler: async (_ctx, { ms, i }) => {
    await pause(ms);
    return i;
  },
});
export const exits = action({
  args: { code: v.number() },
  handler: async (_ctx, { code }) => {
    process.exit(code);
  },
});
export const aborts = action({
  args: {},
  handler: async () => {
    process.abort();
  },
});
export const throws = action({
  args: {},
  handler: async () => {
    throw "just text" as unknown as Error;
  },
});
export const hoards = action({
  args: {},
  handler: async () => {
    const all: number[][] = [];
    for (;;) all.push(Array.from({ length: 100_000 }, () => Math.random()));
  },
});
