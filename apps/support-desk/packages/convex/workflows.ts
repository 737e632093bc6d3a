import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { internalMutation, query } from "./_generated/server.js";
import type { Id } from "./_generated/dataModel.js";
import { deletionKey, deletionKind } from "./model/privacy.ts";
import { limits } from "./model/limits.ts";
import { requireStaff } from "./model/sessions.ts";
import { migrationNames } from "./migrations/registry.ts";

/** A workflow without a sign of life for so long has lost its step. */
const stalledMs = 5 * 60_000;
const revivedPerRun = 20;

/** Long work of one kind, the newest first: a live query, so its progress can be watched. */
export const list = query({
  args: { token: v.string(), kind: v.optional(v.string()) },
  handler: async (ctx, { token, kind }) => {
    await requireStaff(ctx, token);
    const rows = ctx.db.query("workflows");
    return kind === undefined
      ? await rows
          .withIndex("by_status", (q) => q.eq("status", "running"))
          .order("desc")
          .take(limits.listMax)
      : await rows
          .withIndex("by_kind", (q) => q.eq("kind", kind))
          .order("desc")
          .take(limits.listMax);
  },
});

/**
 * Schedules the next step of workflows that stand still. Mutations are run exactly once, but an action that was under
 * way when the server died is not run again by itself. Run by a cron.
 */
export const reviveStalled = internalMutation({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const stalled = await ctx.db
      .query("workflows")
      .withIndex("by_status", (q) => q.eq("status", "running").lt("updatedAt", Date.now() - stalledMs))
      .take(revivedPerRun);
    for (const { _id, kind, key } of stalled) {
      await ctx.db.patch("workflows", _id, { updatedAt: Date.now() });
      if (kind === "embedding") {
        const documentId = key.slice("embedding:".length);
        await ctx.scheduler.runAfter(0, internal.rag.embedding.step, {
          key,
          ...(documentId === "all" ? {} : { documentId }),
        });
      } else if (kind === deletionKind) {
        const userId = key.slice(deletionKey("" as Id<"users">).length) as Id<"users">;
        await ctx.scheduler.runAfter(0, internal.privacy.deleteStep, { userId });
      } else {
        const name = migrationNames.find((each) => key === `migration:${each}`);
        if (name !== undefined) await ctx.scheduler.runAfter(0, internal.migrations.runner.step, { name });
      }
    }
    return stalled.length;
  },
});
