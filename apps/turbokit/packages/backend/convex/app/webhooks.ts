import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";

/** How long a delivery is remembered: longer than any service goes on trying. */
export const rememberedMs = 30 * 24 * 3_600_000;

/** Remembers a delivery, in the transaction that applies it. False: it was applied before, nothing is to be done. */
export async function isFirstDelivery(
  ctx: MutationCtx,
  { source, eventId, type }: Pick<Doc<"webhookEvents">, "source" | "eventId" | "type">,
): Promise<boolean> {
  const known = await ctx.db
    .query("webhookEvents")
    .withIndex("by_event", (q) => q.eq("source", source).eq("eventId", eventId))
    .first();
  if (known !== null) return false;
  await ctx.db.insert("webhookEvents", { source, eventId, type, receivedAt: Date.now() });
  return true;
}
