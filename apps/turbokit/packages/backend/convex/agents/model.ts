import { createThread, listUIMessages, syncStreams, type StreamArgs } from "@convex-dev/agent";
import type { PaginationOptions } from "convex/server";
import { components } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { type Caller, requireAuth } from "../lib/auth.ts";
import { backendError } from "../lib/errors.ts";
import { checkText, limits } from "../lib/validation.ts";
import { requireOwn } from "../app/projects/model.ts";

/** A new thread of the caller's with the assistant. */
export async function create(
  ctx: MutationCtx,
  {
    title,
    projectId,
  }: { readonly title?: string | undefined; readonly projectId?: Id<"projects"> | undefined },
): Promise<Id<"threads">> {
  const caller = await requireAuth(ctx);
  if (projectId !== undefined) await requireOwn(ctx, caller, projectId);
  const checked = title === undefined ? "New conversation" : checkText("title", title, limits.nameCharsMax);
  const agentThreadId = await createThread(ctx, components.agent, {
    userId: caller.user._id,
    title: checked,
  });
  const now = Date.now();
  return await ctx.db.insert("threads", {
    userId: caller.user._id,
    agentThreadId,
    ...(projectId === undefined ? {} : { projectId }),
    title: checked,
    createdAt: now,
    updatedAt: now,
  });
}

/** The caller's threads, the one used last first. */
export async function page(ctx: QueryCtx, paginationOpts: PaginationOptions) {
  const { user } = await requireAuth(ctx);
  return await ctx.db
    .query("threads")
    .withIndex("by_user", (q) => q.eq("userId", user._id))
    .order("desc")
    .paginate(paginationOpts);
}

/**
 * What was said in a thread of the caller's, and what is being said right now.
 *
 * @throws NOT_FOUND, also for another's
 */
export async function messages(
  ctx: QueryCtx,
  args: {
    readonly threadId: Id<"threads">;
    readonly paginationOpts: PaginationOptions;
    readonly streamArgs?: StreamArgs | undefined;
  },
) {
  const { agentThreadId: threadId } = await requireThread(ctx, await requireAuth(ctx), args.threadId);
  const { paginationOpts, streamArgs } = args;
  const paginated = await listUIMessages(ctx, components.agent, { threadId, paginationOpts });
  const streams = await syncStreams(ctx, components.agent, { threadId, streamArgs });
  return { ...paginated, streams };
}

/** Removes a thread of the caller's and what was said in it. */
export async function remove(ctx: MutationCtx, id: Id<"threads">): Promise<void> {
  await removeThread(ctx, await requireThread(ctx, await requireAuth(ctx), id));
}

/** Removes a user's talks with the assistant. False: there are more of them than one transaction should delete. */
export async function removeThreadsOf(ctx: MutationCtx, userId: Id<"users">): Promise<boolean> {
  const threads = await ctx.db
    .query("threads")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(threadsBatch);
  for (const thread of threads) await removeThread(ctx, thread);
  return threads.length < threadsBatch;
}

/** Takes a thread away now; the component deletes what was said in it right after, in steps. */
async function removeThread(ctx: MutationCtx, { _id, agentThreadId }: Doc<"threads">): Promise<void> {
  await ctx.db.delete(_id);
  await ctx.runMutation(components.agent.threads.deleteAllForThreadIdAsync, { threadId: agentThreadId });
}

/** A thread of a user's, for actions; its name is the first thing that was said in it. Null: it is not theirs. */
export async function use(
  ctx: MutationCtx,
  {
    threadId,
    userId,
    message,
  }: { readonly threadId: Id<"threads">; readonly userId: Id<"users">; readonly message: string },
): Promise<Doc<"threads"> | null> {
  const thread = await ctx.db.get(threadId);
  if (thread === null || thread.userId !== userId) return null;
  const isUnnamed = thread.title === "New conversation";
  await ctx.db.patch(threadId, {
    updatedAt: Date.now(),
    ...(isUnnamed ? { title: message.slice(0, titleCharsMax) } : {}),
  });
  return thread;
}

const titleCharsMax = 60;
const threadsBatch = 20;

async function requireThread(ctx: QueryCtx, { user }: Caller, id: Id<"threads">): Promise<Doc<"threads">> {
  const thread = await ctx.db.get(id);
  if (thread === null || thread.userId !== user._id) throw backendError("NOT_FOUND", "Thread not found");
  return thread;
}
