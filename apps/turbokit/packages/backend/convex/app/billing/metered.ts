import { ConvexError } from "convex/values";
import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import type { ActionCtx } from "../../_generated/server.js";
import { backendError } from "../../lib/errors.ts";
import { requireModel } from "../../lib/models.ts";
import { trackQueryPerformance } from "../../lib/monitoring.ts";
import { costs } from "./plans.ts";

/**
 * Calls a model on a user's account: holds credits back, makes the call, books what it has used. A call that fails costs
 * nothing.
 *
 * @param call the call; how many tokens it has used decides what it costs
 * @throws RATE_LIMITED, INSUFFICIENT_CREDITS {required, available}, NOT_CONFIGURED, SERVICE_FAILED
 */
export async function metered<Result>(
  ctx: ActionCtx,
  purpose: "chat" | "generate" | "summarize",
  userId: Id<"users">,
  call: () => Promise<{ readonly result: Result; readonly tokens: number }>,
): Promise<{ result: Result; tokens: number; credits: number }> {
  requireModel();
  const reservationId = await ctx.runMutation(internal.billing.reserve, {
    userId,
    credits: costs[purpose],
    purpose,
    limit: purpose,
  });
  const { result, tokens } = await trackQueryPerformance(purpose, call).catch(async (error: unknown) => {
    await ctx.runMutation(internal.billing.release, { reservationId });
    if (error instanceof ConvexError) throw error;
    throw backendError("SERVICE_FAILED", "The model has not answered. Nothing was charged.", {
      service: "openrouter",
    });
  });
  const credits: number = await ctx.runMutation(internal.billing.trackUsage, {
    userId,
    tokens,
    purpose,
    reservationId,
  });
  return { result, tokens, credits };
}
