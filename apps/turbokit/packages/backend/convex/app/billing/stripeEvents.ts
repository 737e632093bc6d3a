import { z } from "zod";
import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx } from "../../_generated/server.js";
import { backendError } from "../../lib/errors.ts";
import { capture } from "../analytics/model.ts";
import { isFirstDelivery } from "../webhooks.ts";
import { book } from "./ledger.ts";
import { refill, setPlan } from "./model.ts";
import { packs, type Plan } from "./plans.ts";

/*
 * Stripe's webhooks. They may come twice and in any order: each delivery is applied once, money is booked once for each
 * session, invoice and refund, and of two events that change the plan the one that happened later wins.
 */

const metadata = z
  .object({
    userId: z.string().optional(),
    plan: z.enum(["free", "pro", "enterprise"]).optional(),
    pack: z.enum(["small", "large"]).optional(),
  })
  .nullish();
const base = { id: z.string(), created: z.number() };

const checkoutEvent = z.object({
  ...base,
  type: z.enum(["checkout.session.completed", "checkout.session.async_payment_succeeded"]),
  data: z.object({
    object: z.object({
      id: z.string(),
      mode: z.string(),
      payment_status: z.string(),
      customer: z.string().nullish(),
      subscription: z.string().nullish(),
      metadata,
    }),
  }),
});
const subscriptionEvent = z.object({
  ...base,
  type: z.enum([
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
  ]),
  data: z.object({
    object: z.object({ id: z.string(), customer: z.string(), status: z.string(), metadata }),
  }),
});
const invoiceEvent = z.object({
  ...base,
  type: z.literal("invoice.paid"),
  data: z.object({
    object: z.object({ id: z.string(), customer: z.string(), billing_reason: z.string().nullish() }),
  }),
});
const refundEvent = z.object({
  ...base,
  type: z.literal("charge.refunded"),
  data: z.object({
    object: z.object({
      id: z.string(),
      amount: z.number().positive(),
      amount_refunded: z.number(),
      metadata,
    }),
  }),
});
const stripeEvent = z.discriminatedUnion("type", [
  checkoutEvent,
  subscriptionEvent,
  invoiceEvent,
  refundEvent,
]);

type StripeEvent = z.infer<typeof stripeEvent>;

/** One of Stripe's events; null for those that are none of ours. */
export function parseStripeEvent(json: unknown): StripeEvent | null {
  const { success, data } = stripeEvent.safeParse(json);
  return success ? data : null;
}

/**
 * Applies one delivery.
 *
 * @returns false for a customer nobody knows (yet): nothing has changed, and the delivery counts as not made
 */
export async function applyStripeEvent(ctx: MutationCtx, event: StripeEvent): Promise<boolean> {
  if (!(await isKnown(ctx, event))) return false;
  if (await isFirstDelivery(ctx, { source: "stripe", eventId: event.id, type: event.type }))
    await apply(ctx, event);
  return true;
}

async function apply(ctx: MutationCtx, event: StripeEvent): Promise<void> {
  switch (event.type) {
    case "checkout.session.completed":
    case "checkout.session.async_payment_succeeded":
      return await handleCheckout(ctx, event);
    case "customer.subscription.created":
    case "customer.subscription.updated":
    case "customer.subscription.deleted":
      return await handleSubscription(ctx, event);
    case "invoice.paid":
      return await handleInvoice(ctx, event);
    case "charge.refunded":
      return await handleRefund(ctx, event);
  }
}

/** Whether it is known whose event this is: it says so, or an earlier one has said whose customer that is. */
async function isKnown(ctx: MutationCtx, { data: { object } }: StripeEvent): Promise<boolean> {
  if ("metadata" in object && (await userOf(ctx, object.metadata?.userId)) !== null) return true;
  if (!("customer" in object) || object.customer == null) return true;
  return "mode" in object || (await findAccount(ctx, object.customer)) !== null;
}

/** Paid credits, or a subscription that begins. */
async function handleCheckout(
  ctx: MutationCtx,
  { created, data: { object } }: z.infer<typeof checkoutEvent>,
): Promise<void> {
  const user = await userOf(ctx, object.metadata?.userId);
  if (user === null) return;
  const account = object.customer == null ? null : await accountOf(ctx, object.customer, user._id);
  const pack = object.metadata?.pack;
  if (object.mode === "payment" && object.payment_status === "paid" && pack !== undefined) {
    const { credits } = packs[pack];
    const key = `stripe:${object.id}`;
    const isNew = await book(ctx, user._id, { delta: credits, reason: `Bought ${credits} credits`, key });
    if (isNew) await capture(ctx, "credits_bought", user._id, { credits });
  }
  const plan = object.metadata?.plan;
  if (object.mode === "subscription" && account !== null && plan !== undefined)
    await changePlan(ctx, account, {
      atS: created,
      plan,
      subscriptionId: object.subscription ?? undefined,
    });
}

async function handleSubscription(
  ctx: MutationCtx,
  { type, created, data: { object } }: z.infer<typeof subscriptionEvent>,
): Promise<void> {
  const account = await accountOf(ctx, object.customer, (await userOf(ctx, object.metadata?.userId))?._id);
  const isOver = type === "customer.subscription.deleted";
  const isOn = !isOver && ["active", "trialing"].includes(object.status);
  // Behind with a payment is not off yet: Stripe tries again, and says so when it gives up.
  if (!isOver && ["past_due", "incomplete"].includes(object.status)) return;
  const plan: Plan | undefined = isOn ? object.metadata?.plan : "free";
  if (plan !== undefined) await changePlan(ctx, account, { atS: created, plan, subscriptionId: object.id });
}

/** Another month is paid: fills the credits up. The first month's come with the plan. */
async function handleInvoice(
  ctx: MutationCtx,
  { data: { object } }: z.infer<typeof invoiceEvent>,
): Promise<void> {
  if (object.billing_reason !== "subscription_cycle") return;
  const { userId } = await accountOf(ctx, object.customer);
  const user = await ctx.db.get(userId);
  if (user !== null) await refill(ctx, user, `stripe:${object.id}`);
}

/** Takes back the share of the credits that was refunded, as far as it has not been spent. */
async function handleRefund(
  ctx: MutationCtx,
  { data: { object } }: z.infer<typeof refundEvent>,
): Promise<void> {
  const user = await userOf(ctx, object.metadata?.userId);
  const pack = object.metadata?.pack;
  if (user === null || pack === undefined) return;
  const owed = Math.floor((packs[pack].credits * object.amount_refunded) / object.amount);
  const earlier = await ctx.db
    .query("ledger")
    .withIndex("by_key", (q) => q.gte("key", `refund:${object.id}:`).lt("key", `refund:${object.id};`))
    .take(refundsMax);
  const taken = earlier.reduce((sum, { delta }) => sum - delta, 0);
  const credits = Math.min(owed - taken, user.credits);
  if (credits <= 0) return;
  const key = `refund:${object.id}:${object.amount_refunded}`;
  await book(ctx, user._id, { delta: -credits, reason: "Refund", key });
}

const refundsMax = 100;

/** The event that happened last decides. */
async function changePlan(
  ctx: MutationCtx,
  { _id, userId, stripeCustomerId, planEventAtS }: Doc<"billingAccounts">,
  change: { readonly atS: number; readonly plan: Plan; readonly subscriptionId?: string | undefined },
): Promise<void> {
  const { atS, plan, subscriptionId } = change;
  if (planEventAtS > atS) return;
  await ctx.db.patch(_id, {
    planEventAtS: atS,
    ...(subscriptionId === undefined ? {} : { subscriptionId }),
  });
  await setPlan(ctx, userId, plan, `stripe:${subscriptionId ?? stripeCustomerId}:${plan}`);
}

/** The account of a Stripe customer; made when it is said whose it is. */
async function accountOf(
  ctx: MutationCtx,
  stripeCustomerId: string,
  userId?: Id<"users">,
): Promise<Doc<"billingAccounts">> {
  const known = await findAccount(ctx, stripeCustomerId);
  if (known !== null) return known;
  if (userId === undefined) throw backendError("NOT_FOUND", "Nobody knows this customer (yet)");
  const id = await ctx.db.insert("billingAccounts", { userId, stripeCustomerId, planEventAtS: 0 });
  const account = await ctx.db.get(id);
  if (account === null) throw backendError("NOT_FOUND", "The account has vanished");
  return account;
}

async function findAccount(
  ctx: MutationCtx,
  stripeCustomerId: string,
): Promise<Doc<"billingAccounts"> | null> {
  return await ctx.db
    .query("billingAccounts")
    .withIndex("by_stripe_customer", (q) => q.eq("stripeCustomerId", stripeCustomerId))
    .unique();
}

async function userOf(ctx: MutationCtx, text: string | undefined): Promise<Doc<"users"> | null> {
  const id = text === undefined ? null : ctx.db.normalizeId("users", text);
  return id === null ? null : await ctx.db.get(id);
}
