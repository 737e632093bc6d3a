import { internal } from "../../_generated/api.js";
import type { MutationCtx } from "../../_generated/server.js";
import { rememberedMs } from "../webhooks.ts";

const batchSize = 200;

/** Deletes one batch of what has expired; goes on by itself while there is more. Returns how many documents it deleted. */
export async function cleanupExpired(ctx: MutationCtx): Promise<number> {
  const now = Date.now();
  const sessions = await ctx.db
    .query("sessions")
    .withIndex("by_expiry", (q) => q.lt("expiresAt", now))
    .take(batchSize);
  const deliveries = await ctx.db
    .query("webhookEvents")
    .withIndex("by_received", (q) => q.lt("receivedAt", now - rememberedMs))
    .take(batchSize);
  for (const { _id } of sessions) await ctx.db.delete(_id);
  for (const { _id } of deliveries) await ctx.db.delete(_id);
  if (sessions.length === batchSize || deliveries.length === batchSize)
    await ctx.scheduler.runAfter(0, internal.sessions.cleanupExpired, {});
  return sessions.length + deliveries.length;
}

/** Forgets the sessions of somebody who was deleted. */
export async function removeSessionsOf(ctx: MutationCtx, clerkId: string): Promise<void> {
  const sessions = await ctx.db
    .query("sessions")
    .withIndex("by_clerk_id", (q) => q.eq("clerkId", clerkId))
    .take(batchSize);
  for (const { _id } of sessions) await ctx.db.delete(_id);
}
