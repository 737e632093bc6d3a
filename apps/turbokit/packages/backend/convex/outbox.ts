import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalAction, internalMutation, internalQuery } from "./_generated/server.js";
import { sendBatch } from "./app/analytics/posthog.ts";
import { trackCredits } from "./app/billing/autumn.ts";
import * as Outbox from "./lib/outbox.ts";
import { outboxTargetValidator } from "./schema.ts";

/** The next batch for a service. */
export const nextBatch = internalQuery({
  args: { target: outboxTargetValidator },
  handler: async (ctx, { target }) => await Outbox.due(ctx, target, Date.now(), Outbox.batchSizeMax),
});

/** Takes note of what became of a batch; when there is more, the carrier goes at once. */
export const settle = internalMutation({
  args: {
    target: outboxTargetValidator,
    sent: v.array(v.id("outbox")),
    failed: v.array(v.id("outbox")),
  },
  handler: async (ctx, { target, ...batch }) => {
    await Outbox.settle(ctx, batch);
    const [more] = await Outbox.due(ctx, target, Date.now(), 1);
    if (more !== undefined) await ctx.scheduler.runAfter(0, internal.outbox.flush, { target });
  },
});

/** Sends one batch. */
export const flush = internalAction({
  args: { target: outboxTargetValidator },
  handler: async (ctx, { target }): Promise<null> => {
    const batch = await ctx.runQuery(internal.outbox.nextBatch, { target });
    if (batch.length === 0) return null;
    const { sent, failed } = target === "posthog" ? await toPostHog(batch) : await toAutumn(batch);
    await ctx.runMutation(internal.outbox.settle, {
      target,
      sent: sent.map(({ _id }) => _id),
      failed: failed.map(({ _id }) => _id),
    });
    return null;
  },
});

/** Sends for the carriers, in case that one of them got lost: a scheduled action runs at most once. */
export const flushAll = internalMutation({
  args: {},
  handler: async (ctx) => {
    for (const target of ["posthog", "autumn"] as const) {
      const [waiting] = await Outbox.due(ctx, target, Date.now() - Outbox.gatherMs, 1);
      if (waiting !== undefined) await ctx.scheduler.runAfter(0, internal.outbox.flush, { target });
    }
  },
});

interface Fate {
  readonly sent: readonly Doc<"outbox">[];
  readonly failed: readonly Doc<"outbox">[];
}

async function toPostHog(batch: readonly Doc<"outbox">[]): Promise<Fate> {
  const isSent = await sendBatch(batch);
  return isSent ? { sent: batch, failed: [] } : { sent: [], failed: batch };
}

async function toAutumn(batch: readonly Doc<"outbox">[]): Promise<Fate> {
  const sent: Doc<"outbox">[] = [];
  const failed: Doc<"outbox">[] = [];
  for (const message of batch) ((await trackCredits(message)) ? sent : failed).push(message);
  return { sent, failed };
}
