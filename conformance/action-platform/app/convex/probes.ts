import { AsyncLocalStorage } from "node:async_hooks";
import { actionGeneric as action, anyApi } from "convex/server";
import { v } from "convex/values";

/** What an action of the default runtime can do, each in one value. */
const notes = anyApi["notes"]!;
const probesNode = anyApi["probesNode"]!;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const calls = action({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(notes["add"]!, { text });
    const seen = ((await ctx.runQuery(notes["list"]!, {})) as string[]).includes(text);
    const fromNode: unknown = await ctx.runAction(probesNode["hash"]!, { text });
    return { seen, fromNode };
  },
});

export const webApis = action({
  args: { url: v.string() },
  handler: async (_ctx, { url }) => {
    const answer = await fetch(url, { method: "POST", body: JSON.stringify({ a: 1 }) });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    void writer.write(new TextEncoder().encode("streamed")).then(() => writer.close());
    const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign", "verify"]);
    const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode("text"));
    const form = new FormData();
    form.set("file", new File(["inside"], "a.txt"));
    const controller = new AbortController();
    const aborted = fetch(url, { signal: controller.signal }).catch((error: Error) => error.name);
    controller.abort();
    return {
      answer: (await answer.json()) as unknown,
      stream: await new Response(readable).text(),
      verified: await crypto.subtle.verify("HMAC", key, signature, new TextEncoder().encode("text")),
      form: (await new Response(form).formData()).get("file") instanceof File,
      aborted: await aborted,
      url: new URL("../b?c=é", "https://a.example/x/y").href,
      base64: btoa("abc"),
      clone: structuredClone(new Map([[1, [2n]]])).get(1)?.[0] === 2n,
      uuid: crypto.randomUUID().length,
      event: await new Promise((resolve) => {
        const target = new EventTarget();
        target.addEventListener("x", () => resolve(true));
        target.dispatchEvent(new Event("x"));
      }),
    };
  },
});

export const timers = action({
  args: {},
  handler: async () => {
    const order: string[] = [];
    const interval = setInterval(() => order.push("tick"), 5);
    const never = setTimeout(() => order.push("never"), 20);
    clearTimeout(never);
    const startedAt = Date.now();
    while (order.length < 3) await pause(5);
    clearInterval(interval);
    return { order: order.slice(0, 3), moves: Date.now() > startedAt };
  },
});

export const imported = action({
  args: {},
  handler: async () => ({
    answer: (await import("./late.ts")).answer,
    same: (await import("./late.ts")) === (await import("./late.ts")),
  }),
});

export const localStorage = action({
  args: {},
  handler: async () => {
    const storage = new AsyncLocalStorage<string>();
    const inside = (name: string) =>
      storage.run(name, async () => {
        await pause(1);
        await Promise.resolve();
        return storage.getStore();
      });
    return { each: await Promise.all(["a", "b", "c"].map(inside)), outside: storage.getStore() ?? null };
  },
});

export const environment = action({
  args: {},
  handler: async () => ({
    own: process.env["OWN_SETTING"] ?? null,
    url: process.env["CONVEX_CLOUD_URL"] ?? null,
    machine: process.env["HOME"] ?? process.env["PATH"] ?? null,
  }),
});

export const wait = action({
  args: { ms: v.number(), i: v.number() },
  handler: async (_ctx, { ms, i }) => {
    await pause(ms);
    return i;
  },
});

/** Says where it is, and goes on until it is told to end, whether anybody listens or not. */
export const patient = action({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    console.log("begun", text);
    while (!((await ctx.runQuery(notes["list"]!, {})) as string[]).includes(`end ${text}`)) await pause(20);
    await ctx.runMutation(notes["add"]!, { text });
    console.log("ended", text);
  },
});

export const throws = action({
  args: { what: v.string() },
  handler: async (_ctx, { what }) => {
    const thrown: Record<string, unknown> = { text: "just text", null: null, object: { a: 1 }, number: 7 };
    throw thrown[what];
  },
});
export const rejects = action({
  args: {},
  handler: async () => {
    void Promise.reject(new TypeError("nobody waits"));
    await pause(60_000);
  },
});
export const hoards = action({
  args: {},
  handler: async () => {
    const all: string[] = [];
    for (let i = 0; ; i++) all.push(`${i}`.repeat(100_000).toUpperCase());
  },
});
export const loops = action({
  args: {},
  handler: async () => {
    await Promise.resolve();
    for (;;);
  },
});
