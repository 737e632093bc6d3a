import { internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { env } from "../env.ts";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";
import { hashToken, newToken } from "./tokens.ts";

/** What a client keeps of a session. Both tokens are shown once and stored as hashes. */
export interface SessionTokens {
  readonly token: string;
  readonly expiresAt: number;
  readonly refreshToken: string;
  readonly refreshExpiresAt: number;
}

/** The session of a token that is valid now, and whose it is; null for any other token. */
export async function findSession(
  ctx: QueryCtx,
  token: string,
): Promise<{ session: Doc<"sessions">; user: Doc<"users"> } | null> {
  const tokenHash = await hashToken(env.jwtSecret(), token);
  const session = await ctx.db
    .query("sessions")
    .withIndex("by_token", (q) => q.eq("tokenHash", tokenHash))
    .unique();
  if (session === null || session.expiresAt <= Date.now()) return null;
  const user = await ctx.db.get("users", session.userId);
  return user === null ? null : { session, user };
}

export async function requireUser(ctx: QueryCtx, token: string): Promise<Doc<"users">> {
  const found = await findSession(ctx, token);
  if (found === null) throw appError("unauthenticated", "Your session has ended. Please sign in again.");
  return found.user;
}

/** A person who works here, with the agent they are. */
export async function requireAgent(
  ctx: QueryCtx,
  token: string,
): Promise<{ user: Doc<"users">; agent: Doc<"agents"> }> {
  const user = await requireStaff(ctx, token);
  const agent = await ctx.db
    .query("agents")
    .withIndex("by_user", (q) => q.eq("userId", user._id))
    .unique();
  if (agent === null) throw appError("forbidden", "You are not registered as an agent: ask an admin.");
  return { user, agent };
}

export async function requireStaff(ctx: QueryCtx, token: string): Promise<Doc<"users">> {
  const user = await requireUser(ctx, token);
  if (user.role === "customer") throw appError("forbidden", "This is for the people who work here.");
  return user;
}

export async function requireAdmin(ctx: QueryCtx, token: string): Promise<Doc<"users">> {
  const user = await requireUser(ctx, token);
  if (user.role !== "admin") throw appError("forbidden", "This is for admins.");
  return user;
}

/** Begins a session; the oldest ones of a user with too many end. */
export async function beginSession(
  ctx: MutationCtx,
  userId: Id<"users">,
  client: { readonly ip: string | null; readonly userAgent: string | null },
): Promise<SessionTokens> {
  const others = await ctx.db
    .query("sessions")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(limits.sessionsPerUser);
  for (const { _id } of others.slice(0, others.length - limits.sessionsPerUser + 1))
    await ctx.db.delete("sessions", _id);
  const { tokens, row } = await makeTokens();
  await ctx.db.insert("sessions", {
    userId,
    ...row,
    ...(client.ip === null ? {} : { ip: client.ip }),
    ...(client.userAgent === null ? {} : { userAgent: client.userAgent.slice(0, 300) }),
  });
  return tokens;
}

const sessionsPerStep = 100;

/** Ends all sessions of somebody; the rest of very many right afterwards, in steps. */
export async function endSessionsOf(ctx: MutationCtx, userId: Id<"users">): Promise<void> {
  const sessions = await ctx.db
    .query("sessions")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(sessionsPerStep);
  for (const { _id } of sessions) await ctx.db.delete("sessions", _id);
  if (sessions.length === sessionsPerStep)
    await ctx.scheduler.runAfter(0, internal.auth.endSessions, { userId });
}

/**
 * New tokens for a refresh token, which is worth nothing afterwards. One that was exchanged before is in two hands: the
 * session ends for both.
 */
export async function exchangeRefreshToken(
  ctx: MutationCtx,
  refreshToken: string,
): Promise<SessionTokens | null> {
  const refreshHash = await hashToken(env.jwtSecret(), refreshToken);
  const stolen = await ctx.db
    .query("sessions")
    .withIndex("by_previous_refresh", (q) => q.eq("previousRefreshHash", refreshHash))
    .unique();
  if (stolen !== null) {
    await ctx.db.delete("sessions", stolen._id);
    return null;
  }
  const session = await ctx.db
    .query("sessions")
    .withIndex("by_refresh", (q) => q.eq("refreshHash", refreshHash))
    .unique();
  if (session === null || session.refreshExpiresAt <= Date.now()) return null;
  const { tokens, row } = await makeTokens();
  await ctx.db.patch("sessions", session._id, { ...row, previousRefreshHash: refreshHash });
  return tokens;
}

async function makeTokens() {
  const [token, refreshToken] = [newToken(), newToken()];
  const nowMs = Date.now();
  const [expiresAt, refreshExpiresAt] = [nowMs + limits.sessionMs, nowMs + limits.refreshMs];
  const secret = env.jwtSecret();
  const [tokenHash, refreshHash] = [await hashToken(secret, token), await hashToken(secret, refreshToken)];
  return {
    tokens: { token, expiresAt, refreshToken, refreshExpiresAt },
    row: { tokenHash, expiresAt, refreshHash, refreshExpiresAt },
  };
}
