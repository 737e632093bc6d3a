import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../../_generated/server.js";
import { optionalAuth, requireAuth, requireIdentity, roleOf } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { checkLength, checkText, limits } from "../../lib/validation.ts";
import { capture } from "../analytics/model.ts";
import { sendProfileEvent, startOnboarding } from "../../workflows/onboardingState.ts";
import { findWithDeleted } from "./find.ts";
import { removeSessionsOf } from "./sessions.ts";

/** What an identity provider knows of a person. */
export interface Profile {
  readonly clerkId: string;
  readonly email: string;
  readonly name: string;
  readonly imageUrl?: string | undefined;
}

export interface ProfileUpdate {
  readonly name?: string | undefined;
  readonly bio?: string | undefined;
  readonly imageUrl?: string | undefined;
  readonly digest?: boolean | undefined;
}

/** The caller's own document and role; null for somebody who is not signed in or has no document yet. */
export async function me(ctx: QueryCtx) {
  const caller = await optionalAuth(ctx);
  return caller === null ? null : { ...caller.user, role: roleOf(caller.identity) };
}

/**
 * The caller's document, made from their token when neither an earlier call nor Clerk's webhook has made it.
 *
 * @throws UNAUTHORIZED when the account was deleted
 */
export async function ensure(ctx: MutationCtx): Promise<Id<"users">> {
  const identity = await requireIdentity(ctx);
  const known = await findWithDeleted(ctx, identity.subject);
  if (known !== null && known.deletedAt !== undefined)
    throw backendError("UNAUTHORIZED", "This account was deleted");
  if (known !== null) return known._id;
  const email = identity.email ?? "";
  return await create(ctx, {
    clerkId: identity.subject,
    email,
    name: identity.name ?? email.split("@")[0] ?? "",
    imageUrl: identity.pictureUrl,
  });
}

/** A new user, on the free plan; their credits come with the onboarding, which starts here. */
export async function create(
  ctx: MutationCtx,
  profile: Profile,
  clerkUpdatedAt?: number,
): Promise<Id<"users">> {
  const { clerkId, email, name, imageUrl } = profile;
  const now = Date.now();
  const userId = await ctx.db.insert("users", {
    clerkId,
    email: email.toLowerCase(),
    name: name.slice(0, limits.nameCharsMax),
    ...(imageUrl === undefined ? {} : { imageUrl }),
    plan: "free",
    credits: 0,
    onboardingCompleted: false,
    digest: true,
    ...(clerkUpdatedAt === undefined ? {} : { clerkUpdatedAt }),
    createdAt: now,
    updatedAt: now,
  });
  await capture(ctx, "user_signed_up", userId);
  await startOnboarding(ctx, userId);
  return userId;
}

/**
 * Changes the caller's own profile.
 *
 * @throws UNAUTHORIZED for another's, INVALID_INPUT
 */
export async function updateOwn(
  ctx: MutationCtx,
  { id, update }: { readonly id: Id<"users">; readonly update: ProfileUpdate },
): Promise<void> {
  const { user } = await requireAuth(ctx);
  if (user._id !== id) throw backendError("UNAUTHORIZED", "Can only update own profile");
  const patch: Partial<Doc<"users">> = { updatedAt: Date.now() };
  if (update.name !== undefined) patch.name = checkText("name", update.name, limits.nameCharsMax);
  if (update.bio !== undefined) patch.bio = checkLength("bio", update.bio, limits.bioCharsMax);
  if (update.imageUrl !== undefined) patch.imageUrl = checkUrl(update.imageUrl);
  if (update.digest !== undefined) patch.digest = update.digest;
  await ctx.db.patch(id, patch);
}

/** The caller has filled in their profile: the onboarding goes on. */
export async function completeOnboarding(ctx: MutationCtx): Promise<void> {
  const { user } = await requireAuth(ctx);
  if (user.onboardingCompleted) return;
  await ctx.db.patch(user._id, { onboardingCompleted: true, updatedAt: Date.now() });
  await sendProfileEvent(ctx, user._id, true);
}

/** Deletes the caller's account. */
export async function removeOwn(ctx: MutationCtx): Promise<void> {
  const { user } = await requireAuth(ctx);
  await softDelete(ctx, user);
}

/** What belongs to a deleted user stays for a while (`retentionMs` in purge.ts), seen by nobody. */
export async function softDelete(ctx: MutationCtx, user: Doc<"users">): Promise<void> {
  if (user.deletedAt !== undefined) return;
  const now = Date.now();
  await ctx.db.patch(user._id, { deletedAt: now, updatedAt: now });
  await removeSessionsOf(ctx, user.clerkId);
  await capture(ctx, "user_deleted", user._id);
}

function checkUrl(text: string): string {
  checkLength("imageUrl", text, limits.urlCharsMax);
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw backendError("INVALID_INPUT", "imageUrl must be a web address", { field: "imageUrl" });
  return text;
}
