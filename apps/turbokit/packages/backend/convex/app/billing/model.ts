import type { PaginationOptions } from "convex/server";
import { internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../../_generated/server.js";
import { requireAuth } from "../../lib/auth.ts";
import { capture } from "../analytics/model.ts";
import { countOf } from "../projects/model.ts";
import { book } from "./ledger.ts";
import { monthOf, packs, type Plan, plans } from "./plans.ts";

const refillBatch = 100;

/** The plans and their terms, cheapest first. */
export function listPlans() {
  return Object.entries(plans).map(([plan, terms]) => ({ plan: plan as Plan, ...terms }));
}

/** Credits that can be bought once. */
export function listPacks() {
  return Object.entries(packs).map(([pack, terms]) => ({ pack: pack as keyof typeof packs, ...terms }));
}

/** The caller's plan, credits and what they have used. */
export async function summary(ctx: QueryCtx) {
  const { user } = await requireAuth(ctx);
  const { creditsPerMonth, projectsMax } = plans[user.plan];
  const usage = await ctx.db
    .query("usage")
    .withIndex("by_user_month", (q) => q.eq("userId", user._id).eq("month", monthOf(Date.now())))
    .unique();
  return {
    plan: user.plan,
    credits: user.credits,
    creditsPerMonth,
    usedThisMonth: usage?.credits ?? 0,
    tokensThisMonth: usage?.tokens ?? 0,
    projects: await countOf(ctx, user._id),
    projectsMax,
  };
}

/** The changes of the caller's credits, newest first. */
export async function ledgerPage(ctx: QueryCtx, paginationOpts: PaginationOptions) {
  const { user } = await requireAuth(ctx);
  return await ctx.db
    .query("ledger")
    .withIndex("by_user", (q) => q.eq("userId", user._id))
    .order("desc")
    .paginate(paginationOpts);
}

/** Puts a user on a plan. Who moves up gets the difference of the months' credits at once. */
export async function setPlan(ctx: MutationCtx, userId: Id<"users">, plan: Plan, key: string): Promise<void> {
  const user = await ctx.db.get(userId);
  if (user === null || user.plan === plan) return;
  const delta = plans[plan].creditsPerMonth - plans[user.plan].creditsPerMonth;
  await ctx.db.patch(userId, { plan, updatedAt: Date.now() });
  if (delta > 0) await book(ctx, userId, { delta, reason: `Plan ${plans[plan].name}`, key: `plan:${key}` });
  await capture(ctx, "plan_changed", userId, { from: user.plan, to: plan });
}

/** Fills a user's credits up to those of their plan, once for each key. */
export async function refill(ctx: MutationCtx, user: Doc<"users">, key: string): Promise<void> {
  const delta = plans[user.plan].creditsPerMonth - user.credits;
  if (delta > 0) await book(ctx, user._id, { delta, reason: "Monthly credits", key });
}

/** Fills up those on the free plan, batch by batch; the paying ones are filled up when they have paid. */
export async function refillFree(ctx: MutationCtx, cursor: string | null): Promise<void> {
  const month = monthOf(Date.now());
  const { page, isDone, continueCursor } = await ctx.db
    .query("users")
    .withIndex("by_plan", (q) => q.eq("plan", "free"))
    .paginate({ numItems: refillBatch, cursor });
  for (const user of page)
    if (user.deletedAt === undefined) await refill(ctx, user, `refill:${month}:${user._id}`);
  if (!isDone) await ctx.scheduler.runAfter(0, internal.billing.refillFree, { cursor: continueCursor });
}
