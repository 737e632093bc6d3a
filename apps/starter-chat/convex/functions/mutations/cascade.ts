import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import { internalMutation } from "../../_generated/server.js";
import { Budget, deleteChatStep, deleteMessageStep, deleteUserStep } from "../../model/cascade.ts";

// The steps of what `deleteUser`, `deleteChat` and `deleteMessage` have begun; see model/cascade.ts. Each can be called
// at any time, any number of times: what is gone already is no error.

/** One step of deleting a person; the next one is scheduled with it. Returns how many documents went. */
export const continueUser = internalMutation({
  args: { userId: v.id("users") },
  returns: v.number(),
  handler: async (ctx, { userId }) => {
    const budget = new Budget();
    if (!(await deleteUserStep(ctx, userId, budget)))
      await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueUser, { userId });
    return budget.deleted;
  },
});

/** One step of deleting a chat. */
export const continueChat = internalMutation({
  args: { chatId: v.id("chats") },
  returns: v.number(),
  handler: async (ctx, { chatId }) => {
    const budget = new Budget();
    if (!(await deleteChatStep(ctx, chatId, budget)))
      await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueChat, { chatId });
    return budget.deleted;
  },
});

/** One step of deleting a message with more replies than one transaction may touch. */
export const continueMessage = internalMutation({
  args: { messageId: v.id("messages") },
  returns: v.number(),
  handler: async (ctx, { messageId }) => {
    const budget = new Budget();
    const message = await ctx.db.get("messages", messageId);
    if (message !== null && !(await deleteMessageStep(ctx, message, budget)))
      await ctx.scheduler.runAfter(0, internal.functions.mutations.cascade.continueMessage, { messageId });
    return budget.deleted;
  },
});
