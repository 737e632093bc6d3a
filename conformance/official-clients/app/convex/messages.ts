import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { mutation, query, type ReadContext, type WriteContext } from "./server.ts";

export const send = mutation({
  args: { channel: v.string(), key: v.string(), body: v.string() },
  handler: async (ctx, { channel, key, body }) => {
    const version = await nextVersion(ctx, channel);
    await ctx.db.insert("messages", { channel, key, body, position: version });
    // After the write: a refused message must leave no trace of it.
    if (body === "refuse") throw new ConvexError({ code: "refused", key });
    return version;
  },
});

export const edit = mutation({
  args: { channel: v.string(), key: v.string(), body: v.string() },
  handler: async (ctx, { channel, key, body }) => {
    const version = await nextVersion(ctx, channel);
    await ctx.db.patch((await messageOf(ctx, key))._id, { body });
    return version;
  },
});

export const remove = mutation({
  args: { channel: v.string(), key: v.string() },
  handler: async (ctx, { channel, key }) => {
    const version = await nextVersion(ctx, channel);
    await ctx.db.delete((await messageOf(ctx, key))._id);
    return version;
  },
});

export const list = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => {
    const messages = await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .collect();
    const version = (await channelOf(ctx, channel))?.version ?? 0;
    return { version, messages: messages.map(({ key, body }) => ({ key, body })) };
  },
});

export const version = query({
  args: { channel: v.string() },
  handler: async (ctx, { channel }) => (await channelOf(ctx, channel))?.version ?? 0,
});

/** Newest first. */
export const page = query({
  args: { channel: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { channel, paginationOpts }) => {
    const page = await ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .paginate(paginationOpts);
    return { ...page, page: page.page.map(({ key, position }) => ({ key, position })) };
  },
});

export const fail = query({
  args: { how: v.union(v.literal("plainly"), v.literal("with data")) },
  handler: (_ctx, { how }): string => {
    if (how === "plainly") throw new Error("this query fails");
    throw new ConvexError({ code: 7n, reasons: ["a", null] });
  },
});

/** Whatever a client sends comes back the same. */
export const echo = query({ args: { value: v.any() }, handler: (_ctx, { value }): unknown => value });

async function channelOf(ctx: ReadContext, name: string) {
  return await ctx.db
    .query("channels")
    .withIndex("by_name", (q) => q.eq("name", name))
    .unique();
}

async function messageOf(ctx: ReadContext, key: string) {
  const found = await ctx.db
    .query("messages")
    .withIndex("by_key", (q) => q.eq("key", key))
    .unique();
  if (found === null) throw new ConvexError({ code: "missing", key });
  return found;
}

async function nextVersion(ctx: WriteContext, name: string): Promise<number> {
  const channel = await channelOf(ctx, name);
  if (channel === null) await ctx.db.insert("channels", { name, version: 1 });
  else await ctx.db.patch(channel._id, { version: channel.version + 1 });
  return (channel?.version ?? 0) + 1;
}
