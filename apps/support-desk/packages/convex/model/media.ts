import { internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { addMessage, receive } from "./conversations.ts";

type Message = Doc<"messages">;

/**
 * Takes in a message whose files are still with its provider. It is there at once, and each file when it has been
 * fetched: the first one belongs to the message itself, every other to one of its own.
 */
export async function receiveWithFiles(
  ctx: MutationCtx,
  conversation: Doc<"conversations">,
  message: Pick<Message, "content" | "externalId">,
  files: readonly { readonly url: string; readonly contentType: string }[],
): Promise<Id<"messages">> {
  const [first, ...others] = files.map((file) => ({ ...file, attempts: 0, dueAt: Date.now() }));
  if (first === undefined) return await receive(ctx, conversation, message);
  const messageId = await receive(ctx, conversation, { ...message, media: first });
  const ids = [messageId];
  for (const media of others) {
    const now = (await ctx.db.get("conversations", conversation._id)) ?? conversation;
    const { userId } = conversation;
    ids.push(await addMessage(ctx, now, { author: "customer", userId, content: "", state: "sent", media }));
  }
  for (const id of ids) await ctx.scheduler.runAfter(0, internal.mms.fetchOne, { messageId: id });
  return messageId;
}
