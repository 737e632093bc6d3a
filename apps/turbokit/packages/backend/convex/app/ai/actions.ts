import { generateText } from "ai";
import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import type { Doc } from "../../_generated/dataModel.js";
import { action, internalAction } from "../../_generated/server.js";
import { summaryCache } from "../../lib/actionCache.ts";
import { requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { languageModel, outputTokensMax } from "../../lib/models.ts";
import { metered } from "../billing/metered.ts";

/**
 * Sums up a project of the caller's and its comments. Costs credits when anything has changed since the last time.
 *
 * @throws NOT_FOUND, also for another's; RATE_LIMITED, INSUFFICIENT_CREDITS, NOT_CONFIGURED, SERVICE_FAILED
 */
export const generateSummary = action({
  args: { projectId: v.id("projects") },
  handler: async (ctx, { projectId }): Promise<string> => {
    const { user } = await requireAuth(ctx);
    // 1. What it is about, in a single query.
    const found = await ctx.runQuery(internal.projects.getWithMessages, { projectId });
    if (found === null || found.project.userId !== user._id)
      throw backendError("NOT_FOUND", "Project not found");
    // 2. The outside service, unless it has been asked the same before.
    const summary: string = await summaryCache.fetch(ctx, { userId: user._id, text: textOf(found) });
    // 3. The result, in a single mutation.
    await ctx.runMutation(internal.projects.updateSummary, { projectId, summary });
    return summary;
  },
});

/** What the cache runs when it has no answer. */
export const summarize = internalAction({
  args: { userId: v.id("users"), text: v.string() },
  handler: async (ctx, { userId, text }): Promise<string> => {
    const { result } = await metered(ctx, "summarize", userId, () =>
      askModel("Sum up the project in at most three sentences. Say only what is there.", text),
    );
    return result;
  },
});

/** One question to the model. A plain function: an action does not need another action for it. */
export async function askModel(
  instructions: string,
  prompt: string,
): Promise<{ result: string; tokens: number }> {
  const { text, usage } = await generateText({
    model: languageModel(),
    instructions,
    prompt,
    maxOutputTokens: outputTokensMax,
  });
  return { result: text, tokens: usage.totalTokens ?? 0 };
}

function textOf(found: { readonly project: Doc<"projects">; readonly messages: readonly Doc<"messages">[] }) {
  const { name, description = "", status } = found.project;
  const comments = found.messages.map(({ body }) => `- ${body}`).join("\n");
  return `Project "${name}" (${status})\n\n${description}\n\nComments:\n${comments === "" ? "none" : comments}`;
}
