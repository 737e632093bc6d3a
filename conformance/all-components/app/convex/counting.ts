import { RateLimiter, MINUTE } from "@convex-dev/rate-limiter";
import { ShardedCounter } from "@convex-dev/sharded-counter";
import { DirectAggregate, TableAggregate } from "@convex-dev/aggregate";
import { v } from "convex/values";
import { components } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { mutation, query } from "./_generated/server";

const counter = new ShardedCounter(components.shardedCounter, { defaultShards: 4 });

export const add = mutation({
  args: { name: v.string(), by: v.number(), fail: v.optional(v.boolean()) },
  handler: async (ctx, { name, by, fail }) => {
    await counter.add(ctx, name, by);
    if (fail === true) throw new Error("after the component has written");
  },
});
/** The component's part is undone, the caller goes on. */
export const addTwice = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await counter.add(ctx, name, 1);
    try {
      await ctx.runMutation(components.shardedCounter.public.add, {
        name,
        count: "many" as unknown as number,
      });
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  },
});
export const count = query({
  args: { name: v.string() },
  handler: (ctx, { name }) => counter.count(ctx, name),
});

const limiter = new RateLimiter(components.rateLimiter, {
  send: { kind: "token bucket", rate: 3, period: MINUTE, capacity: 3 },
});
export const send = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    const { ok, retryAfter } = await limiter.limit(ctx, "send", { key });
    return { ok, later: retryAfter !== undefined && retryAfter > 0 };
  },
});

const scores = new TableAggregate<{ Key: number; DataModel: DataModel; TableName: "players" }>(
  components.scores,
  { sortKey: (player) => player.score },
);
const photos = new DirectAggregate<{ Key: string; Id: string }>(components.photos);

export const join = mutation({
  args: { name: v.string(), score: v.number() },
  handler: async (ctx, player) => {
    const id = await ctx.db.insert("players", player);
    const document = await ctx.db.get(id);
    if (document === null) throw new Error("it was just inserted");
    await scores.insert(ctx, document);
    await photos.insert(ctx, { key: player.name, id });
    return id;
  },
});
export const standing = query({
  args: { score: v.number() },
  handler: async (ctx, { score }) => ({
    players: await scores.count(ctx),
    better: await scores.count(ctx, { bounds: { lower: { key: score, inclusive: false } } }),
    median: (await scores.at(ctx, Math.floor((await scores.count(ctx)) / 2))).key,
    photos: await photos.count(ctx),
  }),
});
