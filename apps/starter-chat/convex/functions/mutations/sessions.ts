import { v } from "convex/values";
import { components } from "../../_generated/api.js";
import type { Doc } from "../../_generated/dataModel.js";
import { mutation, type MutationCtx } from "../../_generated/server.js";
import { currentIdentity, requireUser } from "../../model/access.ts";
import { endSession } from "../../model/accounts.ts";
import { appError } from "../../model/errors.ts";
import { openSessions } from "../../model/identity.ts";

/**
 * Ends one of the caller's own sessions: the device is signed out, its open windows at once.
 *
 * @throws `unauthenticated`, `no_account`, `not_found` (no session of the caller's)
 */
export const revokeSession = mutation({
  args: { sessionId: v.id("user_sessions") },
  returns: v.null(),
  handler: async (ctx, { sessionId }) => {
    const user = await requireUser(ctx);
    const session = await ctx.db.get("user_sessions", sessionId);
    if (session === null || session.userId !== user._id)
      throw appError("not_found", "There is no such session.");
    await revoke(ctx, session);
    return null;
  },
});

/**
 * Ends all of the caller's sessions but the one they call from.
 *
 * @returns how many.
 * @throws `unauthenticated`, `no_account`
 */
export const revokeOtherSessions = mutation({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const user = await requireUser(ctx);
    const current = (await currentIdentity(ctx))?.["sessionId"];
    const sessions = await openSessions(ctx, user._id);
    const others = sessions.filter(({ sessionId }) => sessionId !== current);
    for (const session of others) await revoke(ctx, session);
    return others.length;
  },
});

async function revoke(ctx: MutationCtx, { sessionId }: Doc<"user_sessions">): Promise<void> {
  await endSession(ctx, sessionId);
  await ctx.runMutation(components.betterAuth.adapter.deleteOne, {
    input: { model: "session", where: [{ field: "_id", value: sessionId }] },
  });
}
