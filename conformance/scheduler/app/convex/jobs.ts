import {
  actionGeneric as action,
  anyApi,
  componentsGeneric,
  createFunctionHandle,
  internalActionGeneric as internalAction,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const self = anyApi["jobs"]!;
const jobId = v.id("_scheduled_functions");

export const notes = query({
  args: {},
  handler: async (ctx): Promise<string[]> =>
    (await ctx.db.query("notes").collect()).map(({ text }) => text as string),
});
export const beats = query({
  args: {},
  handler: async (ctx): Promise<number> => (await ctx.db.query("beats").collect()).length,
});
export const jobs = query({
  args: {},
  handler: (ctx) => ctx.db.system.query("_scheduled_functions").collect(),
});
export const job = query({ args: { id: jobId }, handler: (ctx, { id }) => ctx.db.system.get(id) });

export const note = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    if (text === "boom") throw new Error("no such note");
    const identity = await ctx.auth.getUserIdentity();
    await ctx.db.insert("notes", { text: identity === null ? text : "somebody" });
  },
});
export const beat = internalMutation({
  args: { by: v.string() },
  handler: async (ctx, { by }) => {
    await ctx.db.insert("beats", { by });
  },
});
export const cronAction = internalAction({
  args: {},
  handler: (ctx) => ctx.runMutation(self["note"]!, { text: "from a cron's action" }),
});

export const noteLater = mutation({
  args: { text: v.string(), ms: v.number() },
  handler: (ctx, { text, ms }) => ctx.scheduler.runAfter(ms, self["note"]!, { text }),
});
const { timer } = componentsGeneric()["timer"]! as unknown as { timer: Record<string, never> };
export const componentLater = mutation({
  args: {},
  handler: async (ctx): Promise<string[]> =>
    ctx.runMutation(timer["later"]!, { handle: await createFunctionHandle(self["note"]!) } as never),
});
export const componentCancel = mutation({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.runMutation(timer["cancel"]!, { id } as never),
});
export const componentState = query({
  args: {},
  handler: async (ctx): Promise<{ rings: string[]; states: string[] }> => ({
    rings: await ctx.runQuery(timer["rings"]!, {} as never),
    states: await ctx.runQuery(timer["states"]!, {} as never),
  }),
});

/** For scripts/outstanding-jobs.ts: many jobs of one transaction, and a mutation that schedules none. */
export const manyLater = mutation({
  args: { count: v.number(), ms: v.number() },
  handler: async (ctx, { count, ms }) => {
    for (let i = 0; i < count; i++) await ctx.scheduler.runAfter(ms + i, self["beat"]!, { by: "many" });
  },
});
export const beatNow = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("beats", { by: "now" });
  },
});
/** Latest first: when each was due and when it ran, in milliseconds. */
export const lately = query({
  args: { count: v.number() },
  handler: async (ctx, { count }): Promise<[number, number][]> =>
    (await ctx.db.system.query("_scheduled_functions").order("desc").take(count)).map(
      ({ scheduledTime, completedTime }) => [scheduledTime, completedTime ?? Infinity],
    ),
});
export const actLater = mutation({
  args: { text: v.string() },
  handler: (ctx, { text }) => ctx.scheduler.runAfter(0, self["act"]!, { text }),
});
export const cancel = mutation({ args: { id: jobId }, handler: (ctx, { id }) => ctx.scheduler.cancel(id) });

/** Says what it is run as, and schedules another. */
export const act = internalAction({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const { scheduledFunctionId } = await ctx.meta.getRequestMetadata();
    await ctx.runMutation(self["note"]!, { text: `action ${text} ${typeof scheduledFunctionId}` });
    await ctx.scheduler.runAfter(0, self["note"]!, { text: `after ${text}` });
    if (text === "fails") throw new Error("as it was told");
  },
});
export const fromAction = action({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<string> => {
    const canceled = await ctx.scheduler.runAfter(60_000, self["note"]!, { text: "never" });
    await ctx.scheduler.cancel(canceled);
    await ctx.scheduler.runAt(new Date(Date.now() - 1000), self["note"]!, { text });
    return canceled;
  },
});
export const badlyFromAction = action({
  args: {},
  handler: (ctx) => ctx.scheduler.runAfter(0, "nowhere:at" as never, {}),
});
/** Long enough to be canceled; notes what it could schedule then. */
export const slow = internalAction({
  args: {},
  handler: async (ctx) => {
    const { scheduledFunctionId: id } = await ctx.meta.getRequestMetadata();
    for (;;) {
      const seen = await ctx.runQuery(self["job"]!, { id });
      if (seen.state.kind === "canceled") break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await ctx.scheduler.runAfter(0, self["note"]!, { text: "of a canceled action" });
  },
});
export const slowLater = mutation({
  args: {},
  handler: (ctx) => ctx.scheduler.runAfter(0, self["slow"]!, {}),
});
