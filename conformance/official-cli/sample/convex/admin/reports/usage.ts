import { internalQuery } from "../../_generated/server";

export const summary = internalQuery({
  args: {},
  handler: async (ctx) => ({
    users: (await ctx.db.query("users").collect()).length,
    greeting: process.env.GREETING ?? "no greeting",
  }),
});
