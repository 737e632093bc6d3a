import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { internalMutation, mutation } from "./_generated/server.js";
import { messageOfFile } from "./model/attachments.ts";
import { limits } from "./model/limits.ts";
import { takeToken } from "./model/rateLimit.ts";
import { requireUser } from "./model/sessions.ts";
import { findWorkflow, noteProgress } from "./model/workflows.ts";

/**
 * Where to send a file before it goes into a message (`attachment` of `sendMessage` and `createConversation`).
 *
 * @throws `unauthenticated`, `rate_limited`
 */
export const uploadUrl = mutation({
  args: { token: v.string() },
  returns: v.string(),
  handler: async (ctx, { token }) => {
    const user = await requireUser(ctx, token);
    await takeToken(ctx, "uploadPerUser", user._id);
    return await ctx.storage.generateUploadUrl();
  },
});

const filesPerStep = 100;
const seenKey = "uploads";

/**
 * Deletes files that nobody has put into a message within a day: uploads that were given up, exports that were fetched.
 * Run by a cron. Each file is looked at once: one that is in a message by then goes with its message.
 */
export const forgetUploads = internalMutation({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const seen = await findWorkflow(ctx, seenKey);
    const from = Number(seen?.cursor ?? 0);
    const files = await ctx.db.system
      .query("_storage")
      .withIndex("by_creation_time", (q) =>
        q.gte("_creationTime", from).lt("_creationTime", Date.now() - limits.uploadAgeMaxMs),
      )
      .take(filesPerStep);
    let deleted = 0;
    for (const { _id } of files) {
      if ((await messageOfFile(ctx, _id)) !== null) continue;
      await ctx.storage.delete(_id);
      deleted += 1;
    }
    const last = files.at(-1)?._creationTime ?? from;
    // The last one is looked at once more: another may have come at the same moment.
    if (last > from) await noteProgress(ctx, seenKey, { cursor: String(last), done: files.length });
    if (files.length === filesPerStep && last > from)
      await ctx.scheduler.runAfter(0, internal.attachments.forgetUploads, {});
    return deleted;
  },
});
