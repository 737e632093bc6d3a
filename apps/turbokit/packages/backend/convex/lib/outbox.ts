import { internal } from "../_generated/api.js";
import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";

/*
 * What outside services are told, in batches: written in the transaction in which it happened, sent soon afterwards.
 * Sent at least once; the key travels along, so that the service can drop what it has had already.
 */

export type OutboxTarget = Doc<"outbox">["target"];

/** How long messages are gathered before a batch goes out. */
export const gatherMs = 2_000;
export const batchSizeMax = 100;
export const attemptsMax = 8;
const backoffBaseMs = 30_000;

/** Puts a message into the outbox. The first one waiting sends for the carrier; a cron looks after what is left. */
export async function enqueue(
  ctx: MutationCtx,
  target: OutboxTarget,
  key: string,
  payload: Record<string, unknown>,
): Promise<void> {
  const known = await ctx.db
    .query("outbox")
    .withIndex("by_key", (q) => q.eq("key", key))
    .first();
  if (known !== null) return;
  const [waiting] = await due(ctx, target, Date.now() + gatherMs, 1);
  await ctx.db.insert("outbox", { target, key, payload, attempts: 0, dueAt: Date.now() });
  if (waiting === undefined) await ctx.scheduler.runAfter(gatherMs, internal.outbox.flush, { target });
}

/** The messages that are due, oldest first. */
export async function due(
  ctx: Pick<QueryCtx, "db">,
  target: OutboxTarget,
  now: number,
  count: number,
): Promise<Doc<"outbox">[]> {
  return await ctx.db
    .query("outbox")
    .withIndex("by_target_due", (q) => q.eq("target", target).lte("dueAt", now))
    .take(count);
}

/** Removes what was sent; what was not is tried again later, each time after twice as long, and given up at last. */
export async function settle(
  ctx: MutationCtx,
  {
    sent,
    failed,
  }: { readonly sent: readonly Doc<"outbox">["_id"][]; readonly failed: readonly Doc<"outbox">["_id"][] },
): Promise<void> {
  for (const id of sent) if ((await ctx.db.get(id)) !== null) await ctx.db.delete(id);
  for (const id of failed) {
    const message = await ctx.db.get(id);
    if (message === null) continue;
    const attempts = message.attempts + 1;
    if (attempts >= attemptsMax) {
      console.error(`Gave up on ${message.target} ${message.key} after ${attempts} attempts`);
      await ctx.db.delete(id);
    } else await ctx.db.patch(id, { attempts, dueAt: Date.now() + backoffBaseMs * 2 ** attempts });
  }
}
