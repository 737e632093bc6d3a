import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { action, internalMutation, query } from "./_generated/server.js";
import * as Autumn from "./app/billing/autumn.ts";
import * as Ledger from "./app/billing/ledger.ts";
import * as Billing from "./app/billing/model.ts";
import { monthOf, type Plan } from "./app/billing/plans.ts";
import { creditsCheckout } from "./app/billing/stripe.ts";
import { applyStripeEvent, parseStripeEvent } from "./app/billing/stripeEvents.ts";
import { requireAuth } from "./lib/auth.ts";
import { takeUnit } from "./lib/rateLimiter.ts";
import { planValidator } from "./schema.ts";

/**
 * The plans and their terms.
 *
 * @public a price list
 */
export const plans = query({ args: {}, handler: () => Billing.listPlans() });

/**
 * Credits that can be bought once.
 *
 * @public a price list
 */
export const packs = query({ args: {}, handler: () => Billing.listPacks() });

/** The caller's plan, credits and what they have used. */
export const summary = query({ args: {}, handler: async (ctx) => await Billing.summary(ctx) });

/** The changes of the caller's credits, newest first. */
export const ledger = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await Billing.ledgerPage(ctx, paginationOpts),
});

/** Where the caller pays for a plan; url null: they are on it. */
export const checkout = action({
  args: { plan: v.union(v.literal("pro"), v.literal("enterprise")) },
  handler: async (ctx, { plan }): Promise<{ url: string | null }> => {
    const { user } = await requireAuth(ctx);
    await takeUnit(ctx, "checkout", user._id);
    const url = await Autumn.checkout(user, plan);
    if (url === null) await ctx.runMutation(internal.billing.setPlan, { userId: user._id, plan });
    return { url };
  },
});

/** Where the caller pays for credits. */
export const buyCredits = action({
  args: { pack: v.union(v.literal("small"), v.literal("large")) },
  handler: async (ctx, { pack }): Promise<{ url: string }> => {
    const { user } = await requireAuth(ctx);
    await takeUnit(ctx, "checkout", user._id);
    return { url: await creditsCheckout(user, pack) };
  },
});

/** Where the caller changes how they pay. */
export const portal = action({
  args: {},
  handler: async (ctx): Promise<{ url: string }> => {
    const { user } = await requireAuth(ctx);
    await takeUnit(ctx, "checkout", user._id);
    return { url: await Autumn.portal(user) };
  },
});

/** Ends the caller's plan; they are on the free one. */
export const cancelPlan = action({
  args: {},
  handler: async (ctx): Promise<null> => {
    const { user } = await requireAuth(ctx);
    if (user.plan === "free") return null;
    await takeUnit(ctx, "checkout", user._id);
    await Autumn.cancel(user);
    await ctx.runMutation(internal.billing.setPlan, { userId: user._id, plan: "free" });
    return null;
  },
});

/** Asks Autumn which plan the caller is on. For pages that somebody comes back to from paying. */
export const refresh = action({
  args: {},
  handler: async (ctx): Promise<{ plan: Plan }> => {
    const { user } = await requireAuth(ctx);
    await takeUnit(ctx, "checkout", user._id);
    const plan = await Autumn.currentPlan(user);
    await ctx.runMutation(internal.billing.setPlan, { userId: user._id, plan });
    return { plan };
  },
});

/** Puts a user on the plan that Autumn has them on. Its credits come once a month, however often they go and come back. */
export const setPlan = internalMutation({
  args: { userId: v.id("users"), plan: planValidator },
  handler: async (ctx, { userId, plan }) => {
    await Billing.setPlan(ctx, userId, plan, `autumn:${userId}:${plan}:${monthOf(Date.now())}`);
    return null;
  },
});

/** Takes one unit of a rate limit and holds credits back for a call of a model: both, or neither. */
export const reserve = internalMutation({
  args: {
    userId: v.id("users"),
    credits: v.number(),
    purpose: v.string(),
    limit: v.union(v.literal("chat"), v.literal("generate"), v.literal("summarize")),
  },
  handler: async (ctx, { userId, credits, purpose, limit }) => {
    await takeUnit(ctx, limit, userId);
    return await Ledger.reserve(ctx, userId, credits, purpose);
  },
});

/** Gives back what was held for a call that failed. */
export const release = internalMutation({
  args: { reservationId: v.id("reservations") },
  handler: async (ctx, { reservationId }) => {
    await Ledger.release(ctx, reservationId);
    return null;
  },
});

/** Books what a call of a model has used. Returns the credits it took. */
export const trackUsage = internalMutation({
  args: {
    userId: v.id("users"),
    tokens: v.number(),
    purpose: v.string(),
    reservationId: v.optional(v.id("reservations")),
  },
  handler: async (ctx, args) => await Ledger.trackUsage(ctx, args),
});

/**
 * One delivery of Stripe's webhook. The HTTP action has verified its signature.
 *
 * @returns false: it refers to something that nobody knows yet, and has changed nothing
 */
export const applyWebhook = internalMutation({
  args: { event: v.any() },
  handler: async (ctx, { event }) => {
    const parsed = parseStripeEvent(event);
    return parsed === null || (await applyStripeEvent(ctx, parsed));
  },
});

/** Gives back what was held for calls that never ended. A cron calls it. */
export const releaseExpired = internalMutation({
  args: {},
  handler: async (ctx) => await Ledger.releaseExpired(ctx),
});

/** Fills up the credits of those on the free plan. A cron calls it; it goes on by itself. */
export const refillFree = internalMutation({
  args: { cursor: v.optional(v.string()) },
  handler: async (ctx, { cursor }) => {
    await Billing.refillFree(ctx, cursor ?? null);
    return null;
  },
});
