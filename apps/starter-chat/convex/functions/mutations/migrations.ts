import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import type { Doc } from "../../_generated/dataModel.js";
import { internalMutation, internalQuery, type MutationCtx } from "../../_generated/server.js";
import { limits } from "../../model/limits.ts";

// Data that has to change because the schema did; docs/migrations/ tells of each, and of the way back. A migration goes
// through a table in batches. How far it is stands in `migrations`, written in the same transaction as the batch, and
// the next batch is scheduled with it: it survives a crash at any moment, and what fails goes on from there.

const direction = v.union(v.literal("up"), v.literal("down"));

/** Each changes one document, in either direction; one that is as it should be stays. */
const migrations: Readonly<
  Record<string, (ctx: MutationCtx, message: Doc<"messages">, isUp: boolean) => Promise<void>>
> = {
  // 001: messages name the owner of their chat, for searching all of one's chats.
  "001-chat-owner": async (ctx, message, isUp) => {
    if (isUp === (message.chatOwnerId !== undefined)) return;
    const owner = isUp ? (await ctx.db.get("chats", message.chatId))?.userId : undefined;
    if (isUp && owner === undefined) return;
    await ctx.db.patch("messages", message._id, { chatOwnerId: owner });
  },
};

/**
 * Begins a migration, or goes on with one that has stopped: `npm run migrate`. What is done is not done again.
 *
 * @param name default: every migration there is
 * @param way "up" (default), or "down" to take it back
 * @returns what was begun
 */
export const start = internalMutation({
  args: { name: v.optional(v.string()), way: v.optional(direction) },
  returns: v.array(v.string()),
  handler: async (ctx, { name, way = "up" }) => {
    if (name !== undefined && migrations[name] === undefined)
      throw new Error(`There is no migration ${name}.`);
    const begun = [];
    for (const each of name === undefined ? Object.keys(migrations) : [name]) {
      const state = await stateOf(ctx, each);
      if (state?.isDone === true && state.way === way) continue;
      if (state === null)
        await ctx.db.insert("migrations", { name: each, way, cursor: null, isDone: false, seen: 0 });
      else if (state.way !== way)
        await ctx.db.patch("migrations", state._id, { way, cursor: null, isDone: false, seen: 0 });
      await ctx.scheduler.runAfter(0, internal.functions.mutations.migrations.step, { name: each });
      begun.push(each);
    }
    return begun;
  },
});

/** One batch of a migration; the next one is scheduled with it. */
export const step = internalMutation({
  args: { name: v.string() },
  returns: v.null(),
  handler: async (ctx, { name }) => {
    const state = await stateOf(ctx, name);
    const change = migrations[name];
    if (state === null || change === undefined || state.isDone) return null;
    const { page, isDone, continueCursor } = await ctx.db
      .query("messages")
      .paginate({ cursor: state.cursor, numItems: limits.migrationBatch });
    for (const message of page) await change(ctx, message, state.way === "up");
    const seen = state.seen + page.length;
    await ctx.db.patch("migrations", state._id, { cursor: continueCursor, isDone, seen });
    if (!isDone) await ctx.scheduler.runAfter(0, internal.functions.mutations.migrations.step, { name });
    return null;
  },
});

/** How far each migration is. */
export const status = internalQuery({
  args: {},
  returns: v.array(v.object({ name: v.string(), way: direction, isDone: v.boolean(), seen: v.number() })),
  handler: async (ctx) => {
    const states = await ctx.db.query("migrations").take(limits.migrationsMax);
    return states.map(({ name, way, isDone, seen }) => ({ name, way, isDone, seen }));
  },
});

async function stateOf(ctx: MutationCtx, name: string): Promise<Doc<"migrations"> | null> {
  return await ctx.db
    .query("migrations")
    .withIndex("by_name", (q) => q.eq("name", name))
    .unique();
}
