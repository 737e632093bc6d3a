import type { UserIdentity } from "convex/server";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import { limits } from "./limits.ts";

// Whom a token means. `users.tokenIdentifier` is unique, and comes from Better Auth.

const prefix = "better-auth|";

/**
 * What `users.tokenIdentifier` holds: Better Auth's id of the person. It does not name the deployment's address as the
 * token's own identifier does, so accounts survive a move to another one.
 */
export function tokenIdentifierOfAuthUser(authUserId: string): string {
  return prefix + authUserId;
}

/** The same from a token; of any other issuer than ourselves, the token's own identifier. */
export function tokenIdentifierOf(identity: UserIdentity): string {
  return identity.issuer === process.env.CONVEX_SITE_URL
    ? tokenIdentifierOfAuthUser(identity.subject)
    : identity.tokenIdentifier;
}

/** Better Auth's id of a person; null if their account came from elsewhere. */
export function authUserIdOf({ tokenIdentifier }: Doc<"users">): string | null {
  return tokenIdentifier.startsWith(prefix) ? tokenIdentifier.slice(prefix.length) : null;
}

export async function accountByToken(ctx: QueryCtx, tokenIdentifier: string): Promise<Doc<"users"> | null> {
  return await ctx.db
    .query("users")
    .withIndex("by_token", (q) => q.eq("tokenIdentifier", tokenIdentifier))
    .unique();
}

/** Whose address this is: nobody's until it is confirmed. */
export async function accountByEmail(ctx: QueryCtx, email: string): Promise<Doc<"users"> | null> {
  return await ctx.db
    .query("users")
    .withIndex("by_email", (q) => q.eq("email", email))
    .first();
}

export async function accountOfAuthUser(ctx: QueryCtx, authUserId: string): Promise<Doc<"users"> | null> {
  return await accountByToken(ctx, tokenIdentifierOfAuthUser(authUserId));
}

/** The session a token belongs to; of a token that is not Better Auth's, null. */
export async function findSession(ctx: QueryCtx, sessionId: unknown): Promise<Doc<"user_sessions"> | null> {
  if (typeof sessionId !== "string") return null;
  return await ctx.db
    .query("user_sessions")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .first();
}

/** The sessions of a person that go on, the newest first. */
export async function openSessions(ctx: QueryCtx, userId: Id<"users">): Promise<Doc<"user_sessions">[]> {
  return await ctx.db
    .query("user_sessions")
    .withIndex("by_user", (q) => q.eq("userId", userId).eq("isActive", true))
    .order("desc")
    .take(limits.sessionsShownMax);
}
