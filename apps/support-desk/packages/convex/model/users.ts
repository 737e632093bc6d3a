import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { internal } from "../_generated/api.js";
import { env } from "../env.ts";
import { track } from "./analytics.ts";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";
import { hashToken, newCode, sameText } from "./tokens.ts";

export function findByEmail(ctx: QueryCtx, email: string): Promise<Doc<"users"> | null> {
  return ctx.db
    .query("users")
    .withIndex("by_email", (q) => q.eq("email", email))
    .unique();
}

export function findByPhone(ctx: QueryCtx, phone: string): Promise<Doc<"users"> | null> {
  return ctx.db
    .query("users")
    .withIndex("by_phone", (q) => q.eq("phone", phone))
    .unique();
}

/** Whoever writes by SMS for the first time gets an account that is nothing but their number. */
export async function findOrCreateByPhone(ctx: MutationCtx, phone: string): Promise<Doc<"users">> {
  const known = await findByPhone(ctx, phone);
  if (known !== null) return known;
  const userId = await ctx.db.insert("users", {
    phone,
    name: phone,
    role: "customer",
    emailVerified: false,
    lastSeenAt: Date.now(),
  });
  await track(ctx, "user_created", { userId });
  const user = await ctx.db.get("users", userId);
  if (user === null) throw new Error("a user that was just inserted exists");
  return user;
}

/** Sends a new code to the user's address; the one before it is worth nothing any more. */
export async function sendCode(ctx: MutationCtx, user: Doc<"users">): Promise<void> {
  if (user.email === undefined) throw appError("invalid", "There is no e-mail address to send a code to.");
  const code = newCode();
  await ctx.db.patch("users", user._id, {
    verification: {
      codeHash: await hashToken(env.jwtSecret(), `${user._id}:${code}`),
      expiresAt: Date.now() + limits.codeAgeMaxMs,
      attempts: 0,
    },
  });
  await ctx.scheduler.runAfter(0, internal.mail.sendCode, { to: user.email, name: user.name, code });
}

/**
 * Whether the code is the one that was sent. A wrong guess is counted, so this must not be followed by a throw: that
 * would roll the count back and let anyone guess for ever.
 */
export async function takeCode(ctx: MutationCtx, user: Doc<"users">, code: string): Promise<boolean> {
  const { verification } = user;
  if (verification === undefined || verification.expiresAt <= Date.now()) return false;
  if (verification.attempts >= limits.codeAttemptsMax) return false;
  const codeHash = await hashToken(env.jwtSecret(), `${user._id}:${code.trim()}`);
  if (!sameText(codeHash, verification.codeHash)) {
    await ctx.db.patch("users", user._id, {
      verification: { ...verification, attempts: verification.attempts + 1 },
    });
    return false;
  }
  const isAdmin = user.email !== undefined && env.adminEmails().includes(user.email);
  await ctx.db.patch("users", user._id, {
    verification: undefined,
    emailVerified: true,
    lastSeenAt: Date.now(),
    ...(isAdmin ? { role: "admin" as const } : {}),
  });
  if (!user.emailVerified) await track(ctx, "email_verified", { userId: user._id });
  return true;
}

/** What people see of each other. */
export function toUserView({ _id, name, email, phone, role, emailVerified, locale }: Doc<"users">) {
  return {
    _id,
    name,
    role,
    emailVerified,
    ...(email === undefined ? {} : { email }),
    ...(phone === undefined ? {} : { phone }),
    ...(locale === undefined ? {} : { locale }),
  };
}

export async function requireUserById(ctx: QueryCtx, userId: Id<"users">): Promise<Doc<"users">> {
  const user = await ctx.db.get("users", userId);
  if (user === null) throw appError("not_found", "This person does not exist.");
  return user;
}
