import { queryGeneric as query } from "convex/server";

export const all = query({
  args: {},
  handler: async (ctx): Promise<string[]> =>
    (await ctx.db.query("notes").collect()).map(({ text }) => text as string),
});
