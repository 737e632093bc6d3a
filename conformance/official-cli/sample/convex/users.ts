import { v } from "convex/values";
import { mutation, query } from "./_generated/server";

export const create = mutation({
  args: { name: v.string(), role: v.optional(v.union(v.literal("admin"), v.literal("member"))) },
  handler: async (ctx, { name, role }) =>
    await ctx.db.insert("users", { name, role: role ?? "member", settings: { theme: "dark", tags: [] } }),
});

export const whoAmI = query({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    return identity === null ? null : { name: identity.name ?? null, token: identity.tokenIdentifier };
  },
});
