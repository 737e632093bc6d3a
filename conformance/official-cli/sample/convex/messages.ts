import { ConvexError, v } from "convex/values";
import { paginationOptsValidator } from "convex/server";
import type { Id } from "./_generated/dataModel";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server";
import { requireUser } from "./lib/users";

export const list = query({
  args: { author: v.id("users") },
  returns: v.array(v.object({ body: v.string(), likes: v.int64() })),
  handler: async (ctx, { author }) => {
    const messages = await ctx.db
      .query("messages")
      .withIndex("by_author", (q) => q.eq("author", author))
      .collect();
    return messages.map(({ body, likes }) => ({ body, likes }));
  },
});

export const page = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await ctx.db.query("messages").paginate(paginationOpts),
});

export const send = mutation({
  args: { author: v.id("users"), body: v.string() },
  handler: async (ctx, { author, body }): Promise<Id<"messages">> => {
    await requireUser(ctx, author);
    if (body === "") throw new ConvexError({ code: "empty", field: "body" });
    if (body === "boom") throw new Error("the message exploded");
    console.log("sending", { length: body.length });
    if (body.length > 20) console.warn("a long message");
    return await ctx.db.insert("messages", {
      author,
      body,
      likes: 0n,
      weights: {},
      attachment: null,
      extra: null,
    });
  },
});

export const countAll = internalQuery({
  args: {},
  handler: async (ctx) => (await ctx.db.query("messages").collect()).length,
});

export const clear = internalMutation({
  args: {},
  handler: async (ctx) => {
    for await (const message of ctx.db.query("messages")) await ctx.db.delete(message._id);
  },
});
