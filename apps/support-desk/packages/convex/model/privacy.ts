import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { deleteMessage } from "./attachments.ts";
import { isOpen, resolve } from "./conversations.ts";
import { forgetBucketsOf } from "./rateLimit.ts";
import { endSessionsOf } from "./sessions.ts";

/** Documents that one step deletes at most. */
const batchRows = 100;

export const deletionKind = "delete_user";
export function deletionKey(userId: Id<"users">): string {
  return `${deletionKind}:${userId}`;
}

/**
 * Makes an account nobody's at once: no name, no way to reach or to sign in to it. What it has written goes in steps.
 */
export async function closeAccount(ctx: MutationCtx, user: Doc<"users">): Promise<void> {
  await ctx.db.replace("users", user._id, {
    name: "Deleted",
    role: "customer",
    emailVerified: false,
    lastSeenAt: user.lastSeenAt,
  });
  await endSessionsOf(ctx, user._id);
}

/** Deletes some of what there is of a person; 0 when nothing is left but the account itself. */
export async function deleteSome(ctx: MutationCtx, userId: Id<"users">): Promise<number> {
  const conversation = await ctx.db
    .query("conversations")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .first();
  if (conversation !== null) return await deleteSomeOfConversation(ctx, conversation);
  const events = await ctx.db
    .query("analytics")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(batchRows);
  // The figures stay true; whom they are about is gone.
  for (const { _id } of events) await ctx.db.patch("analytics", _id, { userId: undefined });
  return events.length + (await forgetBucketsOf(ctx, userId));
}

async function deleteSomeOfConversation(
  ctx: MutationCtx,
  conversation: Doc<"conversations">,
): Promise<number> {
  // Whoever has it is free for somebody else.
  if (isOpen(conversation)) await resolve(ctx, conversation, "closed");
  const messages = await ctx.db
    .query("messages")
    .withIndex("by_conversation", (q) => q.eq("conversationId", conversation._id))
    .take(batchRows);
  for (const message of messages) await deleteMessage(ctx, message);
  if (messages.length > 0) return messages.length;
  const events = await ctx.db
    .query("analytics")
    .withIndex("by_conversation", (q) => q.eq("conversationId", conversation._id))
    .take(batchRows);
  for (const { _id } of events)
    await ctx.db.patch("analytics", _id, { conversationId: undefined, userId: undefined });
  if (events.length > 0) return events.length;
  await ctx.db.delete("conversations", conversation._id);
  return 1;
}
