import { v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server.js";
import { track } from "./model/analytics.ts";
import { callerAddress, forgetOldBuckets, takeToken } from "./model/rateLimit.ts";
import { beginSession, endSessionsOf, exchangeRefreshToken, findSession } from "./model/sessions.ts";
import { findByEmail, sendCode, takeCode, toUserView } from "./model/users.ts";
import { checkEmail } from "./model/validation.ts";
import { sessionTokens, userView } from "./users.ts";

/**
 * Sends a code to an address. Says nothing about whether there is an account.
 *
 * @throws `invalid` (email), `rate_limited`
 */
export const requestCode = mutation({
  args: { email: v.string() },
  returns: v.null(),
  handler: async (ctx, args) => {
    const email = checkEmail(args.email);
    await takeToken(ctx, "codePerIp", (await callerAddress(ctx)).ip);
    await takeToken(ctx, "codePerEmail", email);
    const user = await findByEmail(ctx, email);
    if (user !== null) await sendCode(ctx, user);
    return null;
  },
});

/**
 * Signs in with a code that was sent by mail.
 *
 * @returns null for a wrong, used or expired code, and for an address without an account.
 */
export const createSession = mutation({
  args: { email: v.string(), code: v.string() },
  returns: v.union(v.object({ userId: v.id("users"), session: sessionTokens }), v.null()),
  handler: async (ctx, args) => {
    const client = await callerAddress(ctx);
    await takeToken(ctx, "sessionPerIp", client.ip);
    const user = await findByEmail(ctx, checkEmail(args.email));
    if (user === null || !(await takeCode(ctx, user, args.code))) return null;
    await track(ctx, "session_created", { userId: user._id });
    return { userId: user._id, session: await beginSession(ctx, user._id, client) };
  },
});

/**
 * Whose session a token is.
 *
 * @returns null for a token that is none, or whose time is over: `refreshSession` renews it.
 */
export const validateSession = query({
  args: { token: v.string() },
  returns: v.union(v.object({ user: userView, expiresAt: v.number() }), v.null()),
  handler: async (ctx, { token }) => {
    const found = await findSession(ctx, token);
    return found === null ? null : { user: toUserView(found.user), expiresAt: found.session.expiresAt };
  },
});

/**
 * Exchanges a refresh token for new tokens. Each can be used once; using one again ends the session.
 *
 * @returns null when the token is worth nothing: sign in again.
 */
export const refreshSession = mutation({
  args: { refreshToken: v.string() },
  returns: v.union(sessionTokens, v.null()),
  handler: async (ctx, { refreshToken }) => {
    await takeToken(ctx, "refreshPerIp", (await callerAddress(ctx)).ip);
    return await exchangeRefreshToken(ctx, refreshToken);
  },
});

/** Ends a session, or with `everywhere` all of the person's. A session that has ended already is no error. */
export const logout = mutation({
  args: { token: v.string(), everywhere: v.optional(v.boolean()) },
  returns: v.null(),
  handler: async (ctx, { token, everywhere }) => {
    const found = await findSession(ctx, token);
    if (found === null) return null;
    if (everywhere === true) await endSessionsOf(ctx, found.user._id);
    else await ctx.db.delete("sessions", found.session._id);
    return null;
  },
});

/** What `endSessionsOf` has not come to in one step. */
export const endSessions = internalMutation({
  args: { userId: v.id("users") },
  returns: v.null(),
  handler: async (ctx, { userId }) => {
    await endSessionsOf(ctx, userId);
    return null;
  },
});

const cleanupBatch = 200;

/** Sessions that cannot be renewed any more and rate limits nobody has touched for a day. Run by a cron. */
export const forgetExpired = internalMutation({
  args: {},
  returns: v.object({ sessions: v.number(), rateLimits: v.number() }),
  handler: async (ctx) => {
    const expired = await ctx.db
      .query("sessions")
      .withIndex("by_expiry", (q) => q.lt("refreshExpiresAt", Date.now()))
      .take(cleanupBatch);
    for (const { _id } of expired) await ctx.db.delete("sessions", _id);
    return { sessions: expired.length, rateLimits: await forgetOldBuckets(ctx, cleanupBatch) };
  },
});
