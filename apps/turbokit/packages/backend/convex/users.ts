import { v } from "convex/values";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server.js";
import { applyClerkEvent, parseClerkEvent } from "./app/users/clerk.ts";
import { findByClerkId } from "./app/users/find.ts";
import * as Users from "./app/users/model.ts";
import { purgeDeleted as purge } from "./app/users/purge.ts";
import { onboardingOf } from "./workflows/onboardingState.ts";

/** The caller's own document with their role; null for somebody who is not signed in or has no document yet. */
export const me = query({ args: {}, handler: async (ctx) => await Users.me(ctx) });

/** Makes the caller's document when there is none yet. Pages call it once after sign-in. */
export const ensure = mutation({ args: {}, handler: async (ctx) => await Users.ensure(ctx) });

/** Changes the caller's own profile. */
export const updateUser = mutation({
  args: {
    id: v.id("users"),
    update: v.object({
      name: v.optional(v.string()),
      bio: v.optional(v.string()),
      imageUrl: v.optional(v.string()),
      digest: v.optional(v.boolean()),
    }),
  },
  handler: async (ctx, args) => {
    await Users.updateOwn(ctx, args);
    return null;
  },
});

/** The caller has filled in their profile: their onboarding goes on. */
export const completeOnboarding = mutation({
  args: {},
  handler: async (ctx) => {
    await Users.completeOnboarding(ctx);
    return null;
  },
});

/** How far the caller's onboarding is. */
export const onboarding = query({ args: {}, handler: async (ctx) => await onboardingOf(ctx) });

/** Deletes the caller's account. */
export const remove = mutation({
  args: {},
  handler: async (ctx) => {
    await Users.removeOwn(ctx);
    return null;
  },
});

/** A user by id, for actions and workflows. */
export const get = internalQuery({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => await ctx.db.get(userId),
});

/** A user by the subject of their token: who calls an action. */
export const getByClerkId = internalQuery({
  args: { clerkId: v.string() },
  handler: async (ctx, { clerkId }) => await findByClerkId(ctx, clerkId),
});

/** A new user, for tests and scripts. */
export const create = internalMutation({
  args: { clerkId: v.string(), email: v.string(), name: v.string(), imageUrl: v.optional(v.string()) },
  handler: async (ctx, profile) => await Users.create(ctx, profile),
});

/** One delivery of Clerk's webhook. The HTTP action has verified its signature. */
export const applyWebhook = internalMutation({
  args: { eventId: v.string(), event: v.any() },
  handler: async (ctx, { eventId, event }) => {
    const parsed = parseClerkEvent(event);
    if (parsed !== null) await applyClerkEvent(ctx, eventId, parsed);
    return null;
  },
});

/** Takes note that a user has been welcomed. */
export const markWelcomed = internalMutation({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }) => {
    await ctx.db.patch(userId, { welcomedAt: Date.now() });
    return null;
  },
});

/** Deletes for good what was deleted softly long ago. A cron calls it. */
export const purgeDeleted = internalMutation({ args: {}, handler: async (ctx) => await purge(ctx) });
