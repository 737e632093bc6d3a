import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { rankOf } from "../model/conversations.ts";

/**
 * The queue used to sort by `priority`, whose names sort as high, low, normal, urgent. `priorityRank` is the order
 * that was meant; this gives it to conversations from before.
 */
export const backfillPriorityRank = {
  table: "conversations" as const,
  migrate: async (ctx: MutationCtx, row: Doc<"conversations">): Promise<void> => {
    const priorityRank = rankOf(row.priority);
    if (row.priorityRank !== priorityRank) await ctx.db.patch("conversations", row._id, { priorityRank });
  },
};
