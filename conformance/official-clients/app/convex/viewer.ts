import { v } from "convex/values";
import { mutation, query } from "./server.ts";

export const whoAmI = query({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity === null) return null;
    const { tokenIdentifier, subject, issuer, name } = identity;
    return { tokenIdentifier, subject, issuer, name: name ?? null };
  },
});

export const addNote = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity === null) throw new Error("Sign in first");
    await ctx.db.insert("notes", { owner: identity.subject, text });
    return identity.subject;
  },
});

/** Names its owner, so that a result for somebody else would be noticed. */
export const myNotes = query({
  args: {},
  handler: async (ctx) => {
    const owner = (await ctx.auth.getUserIdentity())?.subject ?? null;
    if (owner === null) return { owner, texts: [] };
    const notes = await ctx.db
      .query("notes")
      .withIndex("by_owner", (q) => q.eq("owner", owner))
      .collect();
    return { owner, texts: notes.map(({ text }) => text) };
  },
});
