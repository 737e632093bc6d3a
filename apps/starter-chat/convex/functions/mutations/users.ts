import { v } from "convex/values";
import { mutation } from "../../_generated/server.js";
import { currentIdentity, currentUser, requireUser } from "../../model/access.ts";
import { confirmEmail, openAccount, touchSession } from "../../model/accounts.ts";
import { startDeletingUser } from "../../model/cascade.ts";
import { appError } from "../../model/errors.ts";
import { tokenIdentifierOf } from "../../model/identity.ts";
import { checkName, checkPreferences, checkUrl, nameFromIdentity } from "../../model/validation.ts";
import { userPreferences } from "../../schema.ts";

/**
 * Makes the caller's account from their token. Signing up does that already, so this matters for tokens of another
 * issuer; if there is an account, only the time of the last activity changes. The e-mail address comes from the token
 * alone, and only once it is confirmed: whoever could type one in could have other people's chats shared with them.
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
    const identity = await currentIdentity(ctx);
    if (identity === null) throw appError("unauthenticated", "Please sign in.");
    const existing = await currentUser(ctx);
    if (existing !== null) {
      if (existing.isActive === false) throw appError("account_deleting", "This account is being deleted.");
      await ctx.db.patch("users", existing._id, { lastActiveAt: Date.now() });
      return existing._id;
    }
    const userId = await openAccount(ctx, {
      name: args.name === undefined ? nameFromIdentity(identity) : checkName(args.name),
      tokenIdentifier: tokenIdentifierOf(identity),
      ...(args.image === undefined ? {} : { image: checkUrl(args.image, "image") }),
      ...(args.preferences === undefined ? {} : { preferences: checkPreferences(args.preferences) }),
    });
    const isConfirmed = identity.email !== undefined && identity.emailVerified === true;
    if (isConfirmed && !(await confirmEmail(ctx, userId, identity.email ?? "")))
      throw appError("conflict", "There is another account with this e-mail address.", "email");
    return userId;
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
 * The caller is at work. The page calls it every few minutes while it is in view.
 *
 * @throws nothing: whoever is not signed in is not at work here.
 */
export const recordActivity = mutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const sessionId = (await currentIdentity(ctx))?.["sessionId"];
    if (typeof sessionId === "string") await touchSession(ctx, sessionId);
    return null;
  },
});

/**
 * Deletes the caller's account with all chats, messages, attachments, sessions and shares, and whoever they are in
 * Better Auth. It goes on by itself from here, in steps, through restarts of the server; from this call on the
 * account can do nothing else. `getCurrentUser` shows `isActive: false` until it is gone.
 *
 * @throws `unauthenticated`. Without an account there is nothing to do.
 */
export const deleteUser = mutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const user = await currentUser(ctx);
    if (user === null && (await currentIdentity(ctx)) === null)
      throw appError("unauthenticated", "Please sign in.");
    if (user !== null) await startDeletingUser(ctx, user);
    return null;
  },
});
