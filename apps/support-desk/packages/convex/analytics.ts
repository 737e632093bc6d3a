import { v } from "convex/values";
import { query } from "./_generated/server.js";
import { dayOf, events } from "./model/analytics.ts";
import { appError } from "./model/errors.ts";
import { limits } from "./model/limits.ts";
import { requireStaff } from "./model/sessions.ts";

const dayMs = 24 * 60 * 60_000;
const daysMax = 31;
/** Of one event on one day; a busier desk reads its figures from an export. */
const eventsPerDayMax = 2_000;

/** How often something happened each day, the newest day last, with the mean of its values. */
export const daily = query({
  args: { token: v.string(), event: v.string(), days: v.optional(v.number()) },
  returns: v.array(v.object({ day: v.string(), count: v.number(), mean: v.union(v.number(), v.null()) })),
  handler: async (ctx, { token, event, days = 7 }) => {
    await requireStaff(ctx, token);
    if (!(events as readonly string[]).includes(event))
      throw appError("invalid", `There is no event ${event}.`, { field: "event" });
    if (!Number.isInteger(days) || days < 1 || days > daysMax)
      throw appError("invalid", `days is a whole number from 1 to ${daysMax}.`, { field: "days" });
    const nowMs = Date.now();
    const list = [];
    for (let back = days - 1; back >= 0; back--) {
      const day = dayOf(nowMs - back * dayMs);
      const rows = await ctx.db
        .query("analytics")
        .withIndex("by_day_event", (q) => q.eq("day", day).eq("event", event))
        .take(eventsPerDayMax);
      const values = rows.flatMap(({ value }) => (value === undefined ? [] : [value]));
      const sum = values.reduce((total, value) => total + value, 0);
      list.push({ day, count: rows.length, mean: values.length === 0 ? null : sum / values.length });
    }
    return list;
  },
});

/** The latest occurrences of one event. */
export const recent = query({
  args: { token: v.string(), event: v.string() },
  handler: async (ctx, { token, event }) => {
    await requireStaff(ctx, token);
    return await ctx.db
      .query("analytics")
      .withIndex("by_event", (q) => q.eq("event", event))
      .order("desc")
      .take(limits.searchResults);
  },
});

/** What happened in a conversation, in order. */
export const timeline = query({
  args: { token: v.string(), conversationId: v.id("conversations") },
  handler: async (ctx, { token, conversationId }) => {
    await requireStaff(ctx, token);
    return await ctx.db
      .query("analytics")
      .withIndex("by_conversation", (q) => q.eq("conversationId", conversationId))
      .take(limits.listMax);
  },
});

/** What a person did lately. */
export const ofUser = query({
  args: { token: v.string(), userId: v.id("users") },
  handler: async (ctx, { token, userId }) => {
    await requireStaff(ctx, token);
    return await ctx.db
      .query("analytics")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .order("desc")
      .take(limits.listMax);
  },
});
