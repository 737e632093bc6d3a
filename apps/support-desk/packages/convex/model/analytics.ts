import type { Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";

export const events = [
  "user_created",
  "email_verified",
  "session_created",
  "conversation_created",
  "message_received",
  "bot_answered",
  "bot_failed",
  "escalated",
  "assigned",
  "first_response",
  "resolved",
  "rated",
  "sms_received",
  "sms_sent",
  "document_ingested",
] as const;
export type EventName = (typeof events)[number];

/** Records that something happened, in the transaction in which it does. `value` is milliseconds, stars or a count. */
export async function track(
  ctx: MutationCtx,
  event: EventName,
  about: {
    userId?: Id<"users">;
    conversationId?: Id<"conversations">;
    agentId?: Id<"agents">;
    value?: number;
  } = {},
): Promise<void> {
  await ctx.db.insert("analytics", { event, day: dayOf(Date.now()), ...about });
}

/** UTC day, e.g. "2026-11-22". */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
