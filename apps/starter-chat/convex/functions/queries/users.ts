import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { currentUser, requireUser } from "../../model/access.ts";
import { accountView, profileView, toAccount, toProfile } from "../../model/views.ts";

/**
 * The caller's own account, live.
 *
 * @returns null when nobody is signed in, the session has been ended elsewhere, or there is no account. An account
 * with `isActive: false` is being deleted.
 */
export const getCurrentUser = query({
  args: {},
  returns: v.union(accountView, v.null()),
  handler: async (ctx) => {
    const user = await currentUser(ctx);
    return user === null ? null : toAccount(user);
  },
});

/**
 * The public profile (name and picture) of a person.
 *
 * @returns null if there is no such person.
 * @throws `unauthenticated`, `no_account`
 */
export const getUserById = query({
  args: { userId: v.id("users") },
  returns: v.union(profileView, v.null()),
  handler: async (ctx, { userId }) => {
    await requireUser(ctx);
    const user = await ctx.db.get("users", userId);
    return user === null ? null : toProfile(user);
  },
});
