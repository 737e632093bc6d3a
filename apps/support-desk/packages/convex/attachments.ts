import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { internalMutation, mutation } from "./_generated/server.js";
import { messageOfFile } from "./model/attachments.ts";
import { limits } from "./model/limits.ts";
import { takeToken } from "./model/rateLimit.ts";
import { requireUser } from "./model/sessions.ts";

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

/**
 * Deletes files that nobody has put into a message within a day: uploads that were given up, exports that were fetched.
 * Run by a cron; goes on by itself until it has seen every file.
 */
export const forgetUploads = internalMutation({
  args: { cursor: v.optional(v.string()) },
  returns: v.number(),
  handler: async (ctx, { cursor }) => {
    const page = await ctx.db.system
      .query("_storage")
      .paginate({ cursor: cursor ?? null, numItems: filesPerStep });
    let deleted = 0;
    for (const { _id, _creationTime } of page.page) {
      if (_creationTime > Date.now() - limits.uploadAgeMaxMs) continue;
      if ((await messageOfFile(ctx, _id)) !== null) continue;
      await ctx.storage.delete(_id);
      deleted += 1;
    }
    if (!page.isDone)
      await ctx.scheduler.runAfter(0, internal.attachments.forgetUploads, { cursor: page.continueCursor });
    return deleted;
  },
});
