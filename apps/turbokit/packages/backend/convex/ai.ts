import { v } from "convex/values";
import { action } from "./_generated/server.js";
import { askModel } from "./app/ai/actions.ts";
import { metered } from "./app/billing/metered.ts";
import { requireAuth } from "./lib/auth.ts";
import { checkText, limits } from "./lib/validation.ts";

/**
 * Answers one question, for credits.
 *
 * @throws INSUFFICIENT_CREDITS {required, available}, RATE_LIMITED, INVALID_INPUT, NOT_CONFIGURED, SERVICE_FAILED
 */
export const generate = action({
  args: { prompt: v.string() },
  handler: async (ctx, { prompt }): Promise<{ text: string; credits: number }> => {
    const { user } = await requireAuth(ctx);
    const question = checkText("prompt", prompt, limits.promptCharsMax);
    const { result, credits } = await metered(ctx, "generate", user._id, () =>
      askModel("You are a helpful assistant. Answer shortly.", question),
    );
    return { text: result, credits };
  },
});
