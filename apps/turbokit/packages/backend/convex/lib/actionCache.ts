import { ActionCache } from "@convex-dev/action-cache";
import type { FunctionReference } from "convex/server";
import { components, internal } from "../_generated/api.js";
import type { Id } from "../_generated/dataModel.js";

type Summarize = FunctionReference<"action", "internal", { userId: Id<"users">; text: string }, string>;

const weekMs = 7 * 24 * 3_600_000;

/** Summaries, by what they are made of: the same project is summed up once, as long as nothing changes in it. */
export const summaryCache: ActionCache<Summarize> = new ActionCache(components.actionCache, {
  action: internal.app.ai.actions.summarize,
  name: "summary-1",
  ttl: weekMs,
});
