import {
  anyApi,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

export const count = query({
  args: {},
  handler: async (ctx): Promise<number> => (await ctx.db.query("people").collect()).length,
});

export const add = mutation({
  args: { name: v.string(), age: v.number() },
  handler: async (ctx, person) => {
    await ctx.db.insert("people", person);
  },
});

export const addLater = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => await ctx.scheduler.runAfter(0, anyApi["people"]!["arrive"]!, { name }),
});

export const arrive = internalMutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await ctx.db.insert("people", { name, age: 0 });
  },
});
