import { v } from "convex/values";
import { mutation } from "../../_generated/server.js";
import { currentUser, requireUser } from "../../model/access.ts";
import { Budget, deleteUserStep, deletionResult } from "../../model/cascade.ts";
import { appError } from "../../model/errors.ts";
import {
  checkEmail,
  checkName,
  checkPreferences,
  checkUrl,
  nameFromIdentity,
} from "../../model/validation.ts";
import { userPreferences } from "../../schema.ts";

/**
 * Makes the caller's account from their token; call it after each sign-in. If there is one already, only the time of
 * the last activity changes. The e-mail address comes from the token alone: whoever could type one in could have
 * other people's chats shared with them.
 *
 * @returns the account's id.
 * @throws `unauthenticated`; `account_deleting`; `invalid` (name, image, preferences); `conflict` if another account
 * has the token's e-mail address.
 */
export const createUser = mutation({
  args: {
    name: v.optional(v.string()),
    image: v.optional(v.string()),
    preferences: v.optional(userPreferences),
  },
  returns: v.id("users"),
  handler: async (ctx, args) => {
    const identity = await ctx.auth.getUserIdentity();
    if (identity === null) throw appError("unauthenticated", "Please sign in.");
    const existing = await currentUser(ctx);
    if (existing !== null) {
      if (existing.isActive === false) throw appError("account_deleting", "This account is being deleted.");
      await ctx.db.patch("users", existing._id, { lastActiveAt: Date.now() });
      return existing._id;
    }
    const email = identity.email === undefined ? undefined : checkEmail(identity.email);
    if (email !== undefined) {
      const other = await ctx.db
        .query("users")
        .withIndex("by_email", (q) => q.eq("email", email))
        .first();
      if (other !== null)
        throw appError("conflict", "There is another account with this e-mail address.", "email");
    }
    return await ctx.db.insert("users", {
      name: args.name === undefined ? nameFromIdentity(identity) : checkName(args.name),
      tokenIdentifier: identity.tokenIdentifier,
      isActive: true,
      lastActiveAt: Date.now(),
      ...(email === undefined ? {} : { email }),
      ...(args.image === undefined ? {} : { image: checkUrl(args.image, "image") }),
      ...(args.preferences === undefined ? {} : { preferences: checkPreferences(args.preferences) }),
    });
  },
});

/**
 * Changes the caller's own account. What is left out stays; `image: null` removes the picture; preferences are merged
 * field by field.
 *
 * @throws `unauthenticated`, `no_account`, `account_deleting`; `invalid` (name, image, preferences)
 */
export const updateUser = mutation({
  args: {
    name: v.optional(v.string()),
    image: v.optional(v.union(v.string(), v.null())),
    preferences: v.optional(userPreferences),
  },
  returns: v.null(),
  handler: async (ctx, { name, image, preferences }) => {
    const user = await requireUser(ctx);
    await ctx.db.patch("users", user._id, {
      ...(name === undefined ? {} : { name: checkName(name) }),
      ...(image === undefined ? {} : { image: image === null ? undefined : checkUrl(image, "image") }),
      ...(preferences === undefined
        ? {}
        : { preferences: { ...user.preferences, ...checkPreferences(preferences) } }),
    });
    return null;
  },
});

/**
 * Deletes the caller's account with all chats, messages, attachments, sessions and shares, a batch at a time: call it
 * until `isDone`. From the first call on the account can do nothing else. It can be taken up again after any
 * interruption.
 *
 * @throws `unauthenticated`. Without an account there is nothing to do: `isDone` at once.
 */
export const deleteUser = mutation({
  args: {},
  returns: deletionResult,
  handler: async (ctx) => {
    const budget = new Budget();
    const user = await currentUser(ctx);
    if (user === null) {
      if ((await ctx.auth.getUserIdentity()) === null) throw appError("unauthenticated", "Please sign in.");
      return budget.result(true);
    }
    if (user.isActive !== false) await ctx.db.patch("users", user._id, { isActive: false });
    return budget.result(await deleteUserStep(ctx, user._id, budget));
  },
});
