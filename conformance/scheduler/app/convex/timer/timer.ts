import {
  anyApi,
  type FunctionHandle,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const self = anyApi["timer"]!;

export const ring = internalMutation({
  args: { by: v.string() },
  handler: async (ctx, { by }) => {
    await ctx.db.insert("rings", { by });
  },
});
/** Its own function, and one of whoever gave the handle. */
export const later = mutation({
  args: { handle: v.string() },
  handler: async (ctx, { handle }): Promise<string[]> => [
    await ctx.scheduler.runAfter(0, self["ring"]!, { by: "job" }),
    await ctx.scheduler.runAfter(0, handle as FunctionHandle<"mutation">, { text: "by handle" }),
    await ctx.scheduler.runAfter(60_000, self["ring"]!, { by: "never" }),
  ],
});
export const cancel = mutation({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.scheduler.cancel(id as never),
});
export const rings = query({
  args: {},
  handler: async (ctx): Promise<string[]> =>
    (await ctx.db.query("rings").collect()).map(({ by }) => by as string).toSorted(),
});
export const states = query({
  args: {},
  handler: async (ctx): Promise<string[]> =>
    (await ctx.db.system.query("_scheduled_functions").collect()).map(
      ({ name, state }) => `${name} ${state.kind}`,
    ),
});
