import type { UserIdentity } from "convex/server";
import { internal } from "../_generated/api.js";
import type { Doc } from "../_generated/dataModel.js";
import type { ActionCtx, MutationCtx, QueryCtx } from "../_generated/server.js";
import { findByClerkId } from "../app/users/find.ts";
import { readEnv } from "./env.ts";
import { backendError } from "./errors.ts";

/** Who calls: what the token says, and their document. */
export interface Caller {
  readonly identity: UserIdentity;
  readonly user: Doc<"users">;
}

/**
 * Who calls a function that only users may call. In queries, mutations and actions alike.
 *
 * @throws UNAUTHENTICATED without a valid token, USER_NOT_FOUND for somebody who has no (living) document
 */
export async function requireAuth(ctx: QueryCtx | MutationCtx | ActionCtx): Promise<Caller> {
  const identity = await requireIdentity(ctx);
  const user = await userOf(ctx, identity);
  if (user === null) throw backendError("USER_NOT_FOUND", "User not found");
  return { identity, user };
}

/** Who calls a function that everybody may call: null for nobody we know. */
export async function optionalAuth(ctx: QueryCtx | MutationCtx | ActionCtx): Promise<Caller | null> {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) return null;
  const user = await userOf(ctx, identity);
  return user === null ? null : { identity, user };
}

/**
 * What the token of somebody says who may have no document yet.
 *
 * @throws UNAUTHENTICATED without a valid token
 */
export async function requireIdentity(ctx: { readonly auth: QueryCtx["auth"] }): Promise<UserIdentity> {
  const identity = await ctx.auth.getUserIdentity();
  if (identity === null) throw backendError("UNAUTHENTICATED", "Authentication required");
  return identity;
}

/**
 * Who calls a function for admins.
 *
 * @throws UNAUTHORIZED for other users, and what `requireAuth` throws
 */
export async function requireAdmin(ctx: QueryCtx | MutationCtx | ActionCtx): Promise<Caller> {
  const caller = await requireAuth(ctx);
  if (roleOf(caller.identity) !== "admin") throw backendError("UNAUTHORIZED", "Only admins may do this");
  return caller;
}

/** Admins are those whose verified address is in ADMIN_EMAILS. An address that nobody has verified proves nothing. */
export function roleOf(identity: UserIdentity): "user" | "admin" {
  if (identity.emailVerified !== true || identity.email === undefined) return "user";
  const admins = (readEnv("ADMIN_EMAILS") ?? "").split(",").map((email) => email.trim().toLowerCase());
  return admins.includes(identity.email.toLowerCase()) ? "admin" : "user";
}

/** Actions have no database: there it takes a query. */
async function userOf(
  ctx: QueryCtx | MutationCtx | ActionCtx,
  { subject }: UserIdentity,
): Promise<Doc<"users"> | null> {
  if ("db" in ctx) return await findByClerkId(ctx, subject);
  return await ctx.runQuery(internal.users.getByClerkId, { clerkId: subject });
}
