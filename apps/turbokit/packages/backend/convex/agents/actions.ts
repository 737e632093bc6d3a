import { v } from "convex/values";
import { internal } from "../_generated/api.js";
import { action } from "../_generated/server.js";
import { metered } from "../app/billing/metered.ts";
import { requireAuth } from "../lib/auth.ts";
import { backendError } from "../lib/errors.ts";
import { checkText, limits } from "../lib/validation.ts";
import { assistant } from "./definitions/assistant.ts";

const throttleMs = 100;

/**
 * Says something to the assistant, and answers with what it says. It can be watched meanwhile with `threads.messages`.
 *
 * @throws NOT_FOUND (the thread), INVALID_INPUT, RATE_LIMITED, INSUFFICIENT_CREDITS, NOT_CONFIGURED, SERVICE_FAILED
 */
export const chat = action({
  args: { threadId: v.id("threads"), message: v.string() },
  handler: async (
    ctx,
    { threadId, message },
  ): Promise<{ text: string; usage: { totalTokens: number }; credits: number }> => {
    const { user } = await requireAuth(ctx);
    const prompt = checkText("message", message, limits.messageCharsMax);
    const thread = await ctx.runMutation(internal.agents.threads.use, {
      threadId,
      userId: user._id,
      message: prompt,
    });
    if (thread === null) throw backendError("NOT_FOUND", "Thread not found");
    // What it uses is booked on the user's account.
    const { result, tokens, credits } = await metered(ctx, "chat", user._id, async () => {
      const response = await assistant.streamText(
        ctx,
        { threadId: thread.agentThreadId, userId: user._id },
        { prompt },
        { saveStreamDeltas: { chunking: "word", throttleMs, returnImmediately: false } },
      );
      await response.consumeStream();
      return { result: await response.text, tokens: (await response.totalUsage).totalTokens ?? 0 };
    });
    return { text: result, usage: { totalTokens: tokens }, credits };
  },
});
