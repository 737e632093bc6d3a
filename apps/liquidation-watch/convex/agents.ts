import { v } from "convex/values";
import type { Id } from "./_generated/dataModel.js";
import type { QueryCtx } from "./_generated/server.js";
import { internalMutation, mutation, query } from "./_generated/server.js";
import { defaultAgents } from "./model/defaultAgents.ts";
import { requireFeedKey } from "./model/feedKey.ts";
import { refuse } from "./model/errors.ts";
import { AGENTS_MAX, COMMENTS_DELETED_MAX, COMMENTS_KEPT_MS, COMMENT_GAP_MIN_MS } from "./model/limits.ts";
import { composeComment, readFacts } from "./model/commentary.ts";

/** All agents, in the order they were made. */
export const list = query({
  args: {},
  returns: v.array(
    v.object({
      _id: v.id("agents"),
      name: v.string(),
      persona: v.string(),
      activity_level: v.number(),
      is_active: v.boolean(),
    }),
  ),
  handler: async (ctx) => {
    const agents = await ctx.db.query("agents").take(AGENTS_MAX);
    return agents.map(({ _id, name, persona, activity_level, is_active }) => ({
      _id,
      name,
      persona,
      activity_level,
      is_active,
    }));
  },
});

/** Makes the usual four agents where there are none. Returns how many were made. */
export const seed = mutation({
  args: { key: v.string() },
  returns: v.number(),
  handler: async (ctx, { key }) => {
    requireFeedKey(key);
    if ((await ctx.db.query("agents").first()) !== null) return 0;
    for (const agent of defaultAgents) await ctx.db.insert("agents", { ...agent, is_active: true });
    return defaultAgents.length;
  },
});

/** Changes how much an agent speaks, or whether it does at all. */
export const configure = mutation({
  args: {
    key: v.string(),
    agent_id: v.id("agents"),
    activity_level: v.optional(v.number()),
    is_active: v.optional(v.boolean()),
  },
  returns: v.null(),
  handler: async (ctx, { key, agent_id, activity_level, is_active }) => {
    requireFeedKey(key);
    const agent = await ctx.db.get(agent_id);
    if (agent === null) refuse("not_found", "There is no such agent.");
    const level = activity_level ?? agent.activity_level;
    if (!(level >= 0 && level <= 1)) refuse("invalid", "activity_level: a number from 0 to 1 is needed.");
    await ctx.db.patch(agent_id, { activity_level: level, is_active: is_active ?? agent.is_active });
    return null;
  },
});

/**
 * One agent looks at the last seconds of the market and may say something. Called on a schedule; calling it more often
 * does not make agents speak more often.
 */
export const comment = internalMutation({
  args: {},
  returns: v.union(v.id("messages"), v.null()),
  handler: async (ctx): Promise<Id<"messages"> | null> => {
    const now = Date.now();
    const all = await ctx.db.query("agents").take(AGENTS_MAX);
    for (const { _id } of all) {
      const latest = await commentsOf(ctx, _id).order("desc").first();
      if (latest !== null && latest.created_at > now - COMMENT_GAP_MIN_MS) return null;
    }
    const agents = all.filter((agent) => agent.is_active);
    const speaker = choose(agents, Math.random());
    if (speaker === null || Math.random() >= speaker.activity_level) return null;
    const facts = await readFacts(ctx, now);
    const said = composeComment(speaker.persona, facts, Math.random());
    if (said === null) return null;
    return await ctx.db.insert("messages", { agent_id: speaker._id, ...said, created_at: now });
  },
});

/** Deletes comments older than a day, a batch with each call; what people have said is kept. */
export const deleteOldComments = internalMutation({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const cutoff = Date.now() - COMMENTS_KEPT_MS;
    let deleted = 0;
    for (const agent of await ctx.db.query("agents").take(AGENTS_MAX)) {
      const old = await commentsOf(ctx, agent._id, cutoff).take(COMMENTS_DELETED_MAX);
      for (const { _id } of old) await ctx.db.delete(_id);
      deleted += old.length;
    }
    return deleted;
  },
});

/** What an agent has said before a time, the oldest first. */
function commentsOf(ctx: QueryCtx, agent: Id<"agents">, before = Number.POSITIVE_INFINITY) {
  return ctx.db
    .query("messages")
    .withIndex("by_agent", (q) => q.eq("agent_id", agent).lt("created_at", before));
}

/** One of `list`, the more active the likelier; `chance` is from 0 to below 1. */
function choose<A extends { readonly activity_level: number }>(list: readonly A[], chance: number): A | null {
  let left = chance * list.reduce((sum, one) => sum + one.activity_level, 0);
  for (const one of list) {
    left -= one.activity_level;
    if (left < 0) return one;
  }
  return null;
}
