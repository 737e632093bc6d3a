import { v } from "convex/values";
import { mutation, query } from "./_generated/server.js";
import { track } from "./model/analytics.ts";
import { appError } from "./model/errors.ts";
import { limits } from "./model/limits.ts";
import { callerAddress, takeToken } from "./model/rateLimit.ts";
import { beginSession, findSession, requireAdmin, requireStaff, requireUser } from "./model/sessions.ts";
import { findByEmail, findByPhone, requireUserById, sendCode, takeCode, toUserView } from "./model/users.ts";
import { checkEmail, checkPhone, checkText } from "./model/validation.ts";
import { userRole } from "./schema.ts";

export const userView = v.object({
  _id: v.id("users"),
  name: v.string(),
  email: v.optional(v.string()),
  phone: v.optional(v.string()),
  role: userRole,
  emailVerified: v.boolean(),
  locale: v.optional(v.string()),
});

export const sessionTokens = v.object({
  token: v.string(),
  expiresAt: v.number(),
  refreshToken: v.string(),
  refreshExpiresAt: v.number(),
});

/**
 * Creates an account and begins its first session, so that a visitor can write at once. An address that has an account
 * already gets a code by mail instead: `auth.createSession` takes it. Either way a code is sent to verify the address.
 *
 * @throws `invalid` (name, email), `rate_limited`
 */
export const createUser = mutation({
  args: { email: v.string(), name: v.string(), locale: v.optional(v.string()) },
  returns: v.union(
    v.object({ status: v.literal("created"), userId: v.id("users"), session: sessionTokens }),
    v.object({ status: v.literal("code_sent") }),
  ),
  handler: async (ctx, args) => {
    const email = checkEmail(args.email);
    const name = checkText(args.name, "name", limits.nameLengthMax);
    const client = await callerAddress(ctx);
    await takeToken(ctx, "createUserPerIp", client.ip);
    const known = await findByEmail(ctx, email);
    if (known !== null) {
      await takeToken(ctx, "codePerEmail", email);
      await sendCode(ctx, known);
      return { status: "code_sent" as const };
    }
    const userId = await ctx.db.insert("users", {
      email,
      name,
      role: "customer",
      emailVerified: false,
      lastSeenAt: Date.now(),
      ...(args.locale === undefined ? {} : { locale: checkText(args.locale, "locale", 20) }),
    });
    await track(ctx, "user_created", { userId });
    await sendCode(ctx, await requireUserById(ctx, userId));
    return { status: "created" as const, userId, session: await beginSession(ctx, userId, client) };
  },
});

/**
 * Finds a person by their address. Customers find nobody but themselves.
 *
 * @returns null when there is no such account.
 */
export const getUserByEmail = query({
  args: { token: v.string(), email: v.string() },
  returns: v.union(userView, v.null()),
  handler: async (ctx, { token, email }) => {
    const caller = await requireUser(ctx, token);
    const wanted = checkEmail(email);
    if (caller.role === "customer" && caller.email !== wanted) return null;
    const user = await findByEmail(ctx, wanted);
    return user === null ? null : toUserView(user);
  },
});

/** Who the session belongs to; null when it has ended. */
export const getCurrentUser = query({
  args: { token: v.string() },
  returns: v.union(userView, v.null()),
  handler: async (ctx, { token }) => {
    const found = await findSession(ctx, token);
    return found === null ? null : toUserView(found.user);
  },
});

/**
 * Changes one's own name, locale or phone number; staff may change those of customers.
 *
 * @throws `forbidden`, `not_found`, `invalid` (name, phone), `conflict` (a number that somebody else has)
 */
export const updateUser = mutation({
  args: {
    token: v.string(),
    userId: v.optional(v.id("users")),
    name: v.optional(v.string()),
    locale: v.optional(v.string()),
    phone: v.optional(v.string()),
  },
  returns: userView,
  handler: async (ctx, { token, userId, name, locale, phone }) => {
    const caller = await requireUser(ctx, token);
    const user = userId === undefined ? caller : await requireUserById(ctx, userId);
    const isOwn = user._id === caller._id;
    if (!isOwn && (caller.role === "customer" || user.role !== "customer"))
      throw appError("forbidden", "You may change your own account only.");
    const changes: { name?: string; locale?: string; phone?: string } = {};
    if (name !== undefined) changes.name = checkText(name, "name", limits.nameLengthMax);
    if (locale !== undefined) changes.locale = checkText(locale, "locale", 20);
    if (phone !== undefined) {
      changes.phone = checkPhone(phone);
      const other = await findByPhone(ctx, changes.phone);
      if (other !== null && other._id !== user._id)
        throw appError("conflict", "Somebody else has this phone number.", { field: "phone" });
    }
    await ctx.db.patch("users", user._id, changes);
    return toUserView({ ...user, ...changes });
  },
});

/**
 * Takes the code that was sent to the caller's address.
 *
 * @returns whether it was right. Five wrong ones in a row need a new code.
 */
export const verifyEmail = mutation({
  args: { token: v.string(), code: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { token, code }) => {
    const user = await requireUser(ctx, token);
    return await takeCode(ctx, user, code);
  },
});

/** The people who work here, by name. */
export const listStaff = query({
  args: { token: v.string() },
  returns: v.array(userView),
  handler: async (ctx, { token }) => {
    await requireStaff(ctx, token);
    const lists = [];
    for (const role of ["admin", "agent"] as const) {
      const people = await ctx.db
        .query("users")
        .withIndex("by_role", (q) => q.eq("role", role))
        .take(limits.listMax);
      lists.push(...people.map(toUserView));
    }
    return lists;
  },
});

/** Makes somebody an agent, an admin, or a customer again. Nobody can lock themselves out. */
export const setRole = mutation({
  args: { token: v.string(), userId: v.id("users"), role: userRole },
  returns: v.null(),
  handler: async (ctx, { token, userId, role }) => {
    const admin = await requireAdmin(ctx, token);
    if (admin._id === userId) throw appError("forbidden", "Ask another admin to change your own role.");
    const user = await requireUserById(ctx, userId);
    await ctx.db.patch("users", user._id, { role });
    return null;
  },
});
