import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import type { MutationCtx } from "../../_generated/server.js";
import { removeThreadsOf } from "../../agents/model.ts";
import { removeMessagesOf, removeProject } from "../projects/mutations.ts";
import { startRemoval } from "../uploads/model.ts";

/** How long what was deleted can still be brought back. */
export const retentionMs = 30 * 24 * 3_600_000;
const batchSize = 20;
const rowsMax = 200;

/**
 * Deletes for good what was deleted softly before the retention time: projects with their comments, and what deleted
 * users have said, uploaded and been sent; what they have paid and used stays in the books. Their own documents stay, emptied, so that a late webhook does not make them anew. In small
 * transactions; goes on by itself while there is more.
 */
export async function purgeDeleted(ctx: MutationCtx): Promise<void> {
  const before = Date.now() - retentionMs;
  let isDone = true;
  const projects = await ctx.db
    .query("projects")
    .withIndex("by_deleted", (q) => q.gt("deletedAt", 0).lt("deletedAt", before))
    .take(batchSize);
  for (const { _id } of projects) if (!(await removeProject(ctx, _id))) isDone = false;
  const users = await ctx.db
    .query("users")
    .withIndex("by_deleted", (q) => q.gt("deletedAt", 0).lt("deletedAt", before))
    .take(batchSize);
  for (const user of users) {
    if (!(await purgeUser(ctx, user._id))) {
      isDone = false;
      continue;
    }
    // Out of this index, still a tombstone.
    await ctx.db.patch(user._id, { email: "", name: "", bio: "", imageUrl: "", deletedAt: 0 });
  }
  if (!isDone || projects.length === batchSize || users.length === batchSize)
    await ctx.scheduler.runAfter(0, internal.users.purgeDeleted, {});
}

/** False: there is more. */
async function purgeUser(ctx: MutationCtx, userId: Id<"users">): Promise<boolean> {
  const projects = await ctx.db
    .query("projects")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(batchSize);
  for (const { _id } of projects) if (!(await removeProject(ctx, _id))) return false;
  const uploads = await ctx.db
    .query("uploads")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(rowsMax);
  for (const upload of uploads) await startRemoval(ctx, upload);
  const mails = await ctx.db
    .query("emails")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(rowsMax);
  for (const { _id } of mails) await ctx.db.delete(_id);
  const hasNoMessages = await removeMessagesOf(ctx, userId);
  const hasNoThreads = await removeThreadsOf(ctx, userId);
  const isDone = projects.length < batchSize && uploads.length < rowsMax && mails.length < rowsMax;
  return isDone && hasNoMessages && hasNoThreads;
}
