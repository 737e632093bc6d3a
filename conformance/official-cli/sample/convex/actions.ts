import { v } from "convex/values";
import { api } from "./_generated/api";
import { action, internalAction } from "./_generated/server";

export const addTwice = action({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<string[]> => {
    console.log("adding", text);
    await Promise.all([1, 2].map(async (rank) => await ctx.runMutation(api.notes.add, { text, rank })));
    return (await ctx.runQuery(api.notes.default)).map((note) => `${note.rank} ${note.text}`);
  },
});

export const failLater = internalAction({
  args: {},
  handler: async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    throw new Error("too late");
  },
});
