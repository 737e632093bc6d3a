import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import { internalMutation } from "../../_generated/server.js";
import { sweepAttempts } from "../../model/attempts.ts";
import { sweepVerifications } from "../../model/authRows.ts";
import { limits } from "../../model/limits.ts";
import { endShare } from "../../model/shares.ts";

/**
 * Ends shares whose time is over and sessions in which nobody has been active for a month, forgets counts of attempts
 * and links in mails that are too old, and takes up deletions that nothing goes on with. A batch of each; as long as there is more, it calls itself again.
 */
export const sweep = internalMutation({
  args: {},
  returns: v.object({
    shares: v.number(),
    sessions: v.number(),
    attempts: v.number(),
    verifications: v.number(),
    users: v.number(),
  }),
  handler: async (ctx) => {
    const now = Date.now();
    const shares = await ctx.db
      .query("chat_shares")
      .withIndex("by_expiry", (q) => q.gt("expiresAt", now - limits.sweepBackMs).lte("expiresAt", now))
      .filter((q) => q.eq(q.field("isActive"), true))
      .take(limits.sweepBatch);
    for (const { _id } of shares) await endShare(ctx, _id);

    const sessions = await ctx.db
      .query("user_sessions")
      .withIndex("by_active", (q) => q.eq("isActive", true).lt("lastActiveAt", now - limits.sessionIdleMs))
      .take(limits.sweepBatch);
    for (const { _id } of sessions)
      await ctx.db.patch("user_sessions", _id, { isActive: false, endedAt: now });

    // Harmless beside a cascade that is under way: each step takes what it finds.
    const users = await ctx.db
      .query("users")
      .withIndex("by_active", (q) => q.eq("isActive", false))
      .take(limits.sweepBatch);
    for (const { _id: userId } of users)
      await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueUser, { userId });

    const attempts = await sweepAttempts(ctx, limits.sweepBatch);
    const verifications = await sweepVerifications(ctx, limits.sweepBatch);

    const counts = { shares: shares.length, sessions: sessions.length, attempts, verifications };
    if (Object.values(counts).includes(limits.sweepBatch))
      await ctx.scheduler.runAfter(0, internal.functions.mutations.sweep.sweep, {});
    return { ...counts, users: users.length };
  },
});
