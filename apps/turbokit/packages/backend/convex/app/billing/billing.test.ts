import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { api, internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import {
  backendTest,
  type ConvexTestingHelper,
  createTestUser,
  signInTestUser,
} from "../../test/helpers.setup.ts";
import { insufficient } from "./ledger.ts";

const userOf = (t: ConvexTestingHelper, userId: Id<"users">) => t.run((ctx) => ctx.db.get(userId));

/** What can be spent plus what is held back, and the sum of all that was booked. */
async function totals(t: ConvexTestingHelper, userId: Id<"users">) {
  return await t.run(async (ctx) => {
    const user = await ctx.db.get(userId);
    const entries = await ctx.db
      .query("ledger")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .collect();
    const held = await ctx.db
      .query("reservations")
      .withIndex("by_state", (q) => q.eq("state", "open"))
      .collect();
    const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
    return {
      credits: user?.credits ?? Number.NaN,
      owned: (user?.credits ?? Number.NaN) + sum(held.map(({ credits }) => credits)),
      booked: sum(entries.map(({ delta }) => delta)),
    };
  });
}

describe("credits", () => {
  it("add up after any calls, and never go below zero", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("reserve" as const), credits: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ kind: fc.constant("release" as const), at: fc.nat(9) }),
      fc.record({ kind: fc.constant("use" as const), at: fc.nat(9), tokens: fc.nat(12_000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const t = await backendTest();
        const userId = await createTestUser(t);
        await t.mutation(internal.workflows.onboarding.grantCredits, { userId });
        const reservations: Id<"reservations">[] = [];
        for (const each of steps) {
          if (each.kind === "reserve") {
            const call = t.mutation(internal.billing.reserve, {
              userId,
              credits: each.credits,
              purpose: "test",
              limit: "summarize",
            });
            const id = await call.catch(() => null);
            if (id !== null) reservations.push(id);
            continue;
          }
          const reservationId = reservations[each.at % Math.max(1, reservations.length)];
          if (reservationId === undefined) continue;
          if (each.kind === "release") await t.mutation(internal.billing.release, { reservationId });
          else
            await t.mutation(internal.billing.trackUsage, {
              userId,
              tokens: each.tokens,
              purpose: "test",
              reservationId,
            });
          const { credits, owned, booked } = await totals(t, userId);
          expect(owned).toBe(booked);
          expect(credits).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 8 },
    );
  });

  it("that are not there say how many are missing", async () => {
    const t = await backendTest();
    const { userId } = await signInTestUser(t, { credits: 7 });
    const call = t.mutation(internal.billing.reserve, {
      userId,
      credits: 20,
      purpose: "test",
      limit: "chat",
    });
    await expect(call).rejects.toMatchObject({ data: insufficient(20, 7).data });
    expect(insufficient(20, 7).data).toMatchObject({
      code: "INSUFFICIENT_CREDITS",
      required: 20,
      available: 7,
    });
  });

  it("held for a call that never ended come back", async () => {
    const t = await backendTest();
    const { userId } = await signInTestUser(t, { credits: 50 });
    const reservationId = await t.mutation(internal.billing.reserve, {
      userId,
      credits: 20,
      purpose: "test",
      limit: "chat",
    });
    expect(await t.mutation(internal.billing.releaseExpired, {})).toBe(0);
    await t.run((ctx) => ctx.db.patch(reservationId, { expiresAt: 1 }));
    expect(await t.mutation(internal.billing.releaseExpired, {})).toBe(1);
    expect((await userOf(t, userId))?.credits).toBe(50);
    // Its usage may still come: it is booked once, and nothing is given back twice.
    const usage = { userId, tokens: 1_000, purpose: "test", reservationId };
    expect(await t.mutation(internal.billing.trackUsage, usage)).toBe(10);
    expect(await t.mutation(internal.billing.trackUsage, usage)).toBe(0);
    expect((await userOf(t, userId))?.credits).toBe(40);
  });

  it("are filled up once a month", async () => {
    const t = await backendTest();
    const { userId, as } = await signInTestUser(t, { credits: 30 });
    await t.mutation(internal.billing.refillFree, {});
    await t.run((ctx) => ctx.db.patch(userId, { credits: 1 }));
    await t.mutation(internal.billing.refillFree, {});
    expect(await as.query(api.billing.summary, {})).toMatchObject({
      credits: 1,
      creditsPerMonth: 100,
      plan: "free",
    });
  });
});

describe("Stripe's events", () => {
  const metadata = (userId: string, more: object = {}) => ({ userId, ...more });
  const event = (id: string, created: number, type: string, object: object) => ({
    id,
    created,
    type,
    data: { object },
  });

  /** As Stripe does: what is not taken comes again later. */
  async function deliver(t: ConvexTestingHelper, events: readonly object[]): Promise<void> {
    let left = [...events];
    for (let round = 0; left.length > 0 && round < 5; round++) {
      const refused: object[] = [];
      for (const each of left)
        if (!(await t.mutation(internal.billing.applyWebhook, { event: each }))) refused.push(each);
      left = refused;
    }
    expect(left).toEqual([]);
  }

  it("come to the same in any order and however often they are repeated", async () => {
    const orders = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5], { minLength: 12 });
    await fc.assert(
      fc.asyncProperty(orders, async (order) => {
        const t = await backendTest();
        const userId = await createTestUser(t);
        const base = { customer: "cus_1", subscription: "sub_1", payment_status: "paid" };
        const events = [
          event("evt_1", 10, "checkout.session.completed", {
            ...base,
            id: "cs_1",
            mode: "subscription",
            metadata: metadata(userId, { plan: "pro" }),
          }),
          event("evt_2", 20, "customer.subscription.updated", {
            id: "sub_1",
            customer: "cus_1",
            status: "past_due",
          }),
          event("evt_3", 30, "customer.subscription.deleted", {
            id: "sub_1",
            customer: "cus_1",
            status: "canceled",
          }),
          event("evt_4", 15, "checkout.session.completed", {
            ...base,
            id: "cs_2",
            mode: "payment",
            subscription: null,
            metadata: metadata(userId, { pack: "small" }),
          }),
          // Another event about the same payment.
          event("evt_5", 16, "checkout.session.async_payment_succeeded", {
            ...base,
            id: "cs_2",
            mode: "payment",
            subscription: null,
            metadata: metadata(userId, { pack: "small" }),
          }),
          event("evt_6", 40, "product.created", { id: "prod_1" }),
        ];
        await deliver(
          t,
          order.map((at) => events[at] ?? {}),
        );
        const user = await userOf(t, userId);
        expect(user?.plan).toBe("free");
        const bought = await t.run((ctx) =>
          ctx.db
            .query("ledger")
            .withIndex("by_key", (q) => q.eq("key", "stripe:cs_2"))
            .collect(),
        );
        expect(bought.map(({ delta }) => delta)).toEqual([500]);
      }),
      { numRuns: 10 },
    );
  });

  it("begin, renew and end a plan; a refund takes its share back, once", async () => {
    const t = await backendTest();
    const { userId } = await signInTestUser(t, { credits: 100 });
    const session = {
      id: "cs_1",
      mode: "subscription",
      payment_status: "paid",
      customer: "cus_1",
      subscription: "sub_1",
      metadata: metadata(userId, { plan: "pro" }),
    };
    await deliver(t, [event("evt_1", 10, "checkout.session.completed", session)]);
    expect(await userOf(t, userId)).toMatchObject({ plan: "pro", credits: 2_000 });
    await t.run((ctx) => ctx.db.patch(userId, { credits: 5 }));
    const invoice = { id: "in_2", customer: "cus_1", billing_reason: "subscription_cycle" };
    await deliver(t, [event("evt_2", 20, "invoice.paid", invoice)]);
    expect(await userOf(t, userId)).toMatchObject({ credits: 2_000 });
    const charge = { id: "ch_1", amount: 500, metadata: metadata(userId, { pack: "small" }) };
    await deliver(t, [
      event("evt_3", 30, "charge.refunded", { ...charge, amount_refunded: 250 }),
      event("evt_4", 31, "charge.refunded", { ...charge, amount_refunded: 500 }),
      event("evt_4", 31, "charge.refunded", { ...charge, amount_refunded: 500 }),
    ]);
    expect(await userOf(t, userId)).toMatchObject({ credits: 1_500 });
    const ended = { id: "sub_1", customer: "cus_1", status: "canceled" };
    await deliver(t, [event("evt_5", 40, "customer.subscription.deleted", ended)]);
    expect(await userOf(t, userId)).toMatchObject({ plan: "free", credits: 1_500 });
  });
});
