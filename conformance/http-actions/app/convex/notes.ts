import { v } from "convex/values";
import { internalMutation, query } from "./server.ts";

export const add = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("notes", { text });
  },
});

export const list = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("notes").collect()).map(({ text }) => text),
});

export const me = query({
  args: {},
  handler: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
});
