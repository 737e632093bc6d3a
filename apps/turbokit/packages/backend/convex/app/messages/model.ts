import type { PaginationOptions } from "convex/server";
import type { Id } from "../../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../../_generated/server.js";
import { requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { takeUnit } from "../../lib/rateLimiter.ts";
import { checkText, limits } from "../../lib/validation.ts";
import { findVisible, requireVisible } from "../projects/model.ts";

/**
 * The comments on a project that the caller may see, newest first.
 *
 * @throws NOT_FOUND
 */
export async function page(
  ctx: QueryCtx,
  {
    projectId,
    paginationOpts,
  }: { readonly projectId: Id<"projects">; readonly paginationOpts: PaginationOptions },
) {
  const caller = await requireAuth(ctx);
  await requireVisible(ctx, caller, projectId);
  const result = await ctx.db
    .query("messages")
    .withIndex("by_project", (q) => q.eq("projectId", projectId))
    .order("desc")
    .paginate(paginationOpts);
  const comments = await Promise.all(
    result.page.map(async (message) => {
      const author = await ctx.db.get(message.userId);
      const isGone = author === null || author.deletedAt !== undefined;
      return {
        ...message,
        authorName: isGone ? "Deleted user" : author.name,
        ...(isGone || author.imageUrl === undefined ? {} : { authorImageUrl: author.imageUrl }),
        isMine: message.userId === caller.user._id,
      };
    }),
  );
  return { ...result, page: comments };
}

/**
 * Comments on the caller's own project, or on a public one that takes comments.
 *
 * @throws NOT_FOUND, UNAUTHORIZED, INVALID_INPUT, RATE_LIMITED
 */
export async function send(
  ctx: MutationCtx,
  { projectId, body }: { readonly projectId: Id<"projects">; readonly body: string },
): Promise<Id<"messages">> {
  const caller = await requireAuth(ctx);
  const project = await requireVisible(ctx, caller, projectId);
  if (project.userId !== caller.user._id && !project.settings.allowComments)
    throw backendError("UNAUTHORIZED", "This project takes no comments");
  const text = checkText("body", body, limits.messageCharsMax);
  await takeUnit(ctx, "sendMessage", caller.user._id);
  return await ctx.db.insert("messages", {
    projectId,
    userId: caller.user._id,
    body: text,
    createdAt: Date.now(),
  });
}

/**
 * Deletes a comment: its author may, and the owner of the project.
 *
 * @throws NOT_FOUND, UNAUTHORIZED
 */
export async function remove(ctx: MutationCtx, id: Id<"messages">): Promise<void> {
  const caller = await requireAuth(ctx);
  const message = await ctx.db.get(id);
  const project = message === null ? null : await findVisible(ctx, caller, message.projectId);
  const isAuthor = message?.userId === caller.user._id;
  if (message === null || (project === null && !isAuthor))
    throw backendError("NOT_FOUND", "Comment not found");
  if (!isAuthor && project?.userId !== caller.user._id) throw backendError("UNAUTHORIZED", "Unauthorized");
  await ctx.db.delete(id);
}
