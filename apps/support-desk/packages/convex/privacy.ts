import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import type { Doc, Id } from "./_generated/dataModel.js";
import {
  action,
  type ActionCtx,
  internalMutation,
  internalQuery,
  mutation,
  query,
  type QueryCtx,
} from "./_generated/server.js";
import { withUrl } from "./model/attachments.ts";
import { appError } from "./model/errors.ts";
import { limits } from "./model/limits.ts";
import { closeAccount, deleteSome, deletionKey, deletionKind } from "./model/privacy.ts";
import { takeToken } from "./model/rateLimit.ts";
import { requireStaff, requireUser } from "./model/sessions.ts";
import { requireUserById, toUserView } from "./model/users.ts";
import { findWorkflow, startWorkflow } from "./model/workflows.ts";

const rowsPerPage = 200;

/**
 * Everything we know about the caller, as one JSON file. Admins may ask for a customer's.
 *
 * @returns where to fetch it; it is deleted after an hour.
 * @throws `unauthenticated`, `forbidden`, `rate_limited`
 */
export const exportData = action({
  args: { token: v.string(), userId: v.optional(v.id("users")) },
  returns: v.string(),
  handler: async (ctx, { token, userId }): Promise<string> => {
    const about = await ctx.runMutation(internal.privacy.beginExport, {
      token,
      ...(userId === undefined ? {} : { userId }),
    });
    const data = {
      exportedAt: new Date().toISOString(),
      user: about.user,
      sessions: about.sessions,
      conversations: await allPages(ctx, "conversations", about.userId),
      messages: await allPages(ctx, "messages", about.userId),
      events: await allPages(ctx, "events", about.userId),
    };
    const file = new Blob([JSON.stringify(data, null, 2)], { type: "application/json" });
    const storageId = await ctx.storage.store(file);
    await ctx.scheduler.runAfter(limits.exportAgeMaxMs, internal.privacy.forgetExport, { storageId });
    return (await ctx.storage.getUrl(storageId)) ?? "";
  },
});

async function allPages(
  ctx: ActionCtx,
  part: "conversations" | "messages" | "events",
  userId: Id<"users">,
): Promise<unknown[]> {
  const rows: unknown[] = [];
  for (let cursor: string | null = null; ;) {
    const page: { page: unknown[]; isDone: boolean; continueCursor: string } = await ctx.runQuery(
      internal.privacy.pageOf,
      { part, userId, cursor },
    );
    rows.push(...page.page);
    if (page.isDone) return rows;
    cursor = page.continueCursor;
  }
}

/** Who may have whose data, and what fits into one read of it. */
export const beginExport = internalMutation({
  args: { token: v.string(), userId: v.optional(v.id("users")) },
  handler: async (ctx, { token, userId }) => {
    const { caller, user } = await selfOrAnyForAdmins(ctx, token, userId, "export your own data only");
    await takeToken(ctx, "exportPerUser", caller._id);
    const sessions = await ctx.db
      .query("sessions")
      .withIndex("by_user", (q) => q.eq("userId", user._id))
      .take(limits.listMax);
    return {
      userId: user._id,
      user: { ...toUserView(user), createdAt: user._creationTime, lastSeenAt: user.lastSeenAt },
      // Their tokens are secrets, even as hashes.
      sessions: sessions.map(({ _creationTime, refreshExpiresAt, ip, userAgent }) => ({
        beganAt: _creationTime,
        endsAt: refreshExpiresAt,
        ip: ip ?? null,
        userAgent: userAgent ?? null,
      })),
    };
  },
});

/** Whom a call is about: the caller, or for admins anybody. `may` tells everybody else what they may do. */
async function selfOrAnyForAdmins(
  ctx: QueryCtx,
  token: string,
  userId: Id<"users"> | undefined,
  may: string,
): Promise<{ caller: Doc<"users">; user: Doc<"users"> }> {
  const caller = await requireUser(ctx, token);
  const user = userId === undefined ? caller : await requireUserById(ctx, userId);
  if (user._id !== caller._id && caller.role !== "admin") throw appError("forbidden", `You may ${may}.`);
  return { caller, user };
}

/** One page of what there is of a person; messages are those of all their conversations, whoever wrote them. */
export const pageOf = internalQuery({
  args: {
    part: v.union(v.literal("conversations"), v.literal("messages"), v.literal("events")),
    userId: v.id("users"),
    cursor: v.union(v.string(), v.null()),
  },
  handler: async (ctx, { part, userId, cursor }) => {
    const paginationOpts = { cursor, numItems: rowsPerPage };
    if (part === "events") {
      const page = await ctx.db
        .query("analytics")
        .withIndex("by_user", (q) => q.eq("userId", userId))
        .paginate(paginationOpts);
      return { ...page, page: page.page.map(({ userId: _user, ...event }) => event) };
    }
    const own = ctx.db.query("conversations").withIndex("by_user", (q) => q.eq("userId", userId));
    if (part === "conversations") {
      const page = await own.paginate(paginationOpts);
      // Summaries are what colleagues tell each other.
      return { ...page, page: page.page.map(({ summary: _summary, ...conversation }) => conversation) };
    }
    const page = await own.paginate({ cursor, numItems: 1 });
    const messages = [];
    for (const { _id } of page.page) {
      const said = await ctx.db
        .query("messages")
        .withIndex("by_conversation", (q) => q.eq("conversationId", _id))
        .collect();
      messages.push(...(await Promise.all(said.map((message) => withUrl(ctx, message)))));
    }
    return { ...page, page: messages };
  },
});

export const forgetExport = internalMutation({
  args: { storageId: v.id("_storage") },
  returns: v.null(),
  handler: async (ctx, { storageId }) => {
    if ((await ctx.db.system.get(storageId)) !== null) await ctx.storage.delete(storageId);
    return null;
  },
});

/**
 * Deletes an account with everything in it: one's own, or for admins a customer's. Nobody can sign in to it any more when
 * this returns; conversations, messages and files go in steps, which `deletion` shows. Numbers keep counting, for nobody.
 *
 * @throws `forbidden` (somebody else's; people who work here), `not_found`
 */
export const deleteUser = mutation({
  args: { token: v.string(), userId: v.optional(v.id("users")) },
  returns: v.null(),
  handler: async (ctx, { token, userId }) => {
    const { user } = await selfOrAnyForAdmins(ctx, token, userId, "delete your own account only");
    if (user.role !== "customer")
      throw appError("forbidden", "An admin has to make this person a customer first.");
    await closeAccount(ctx, user);
    await startWorkflow(ctx, deletionKind, deletionKey(user._id));
    await ctx.scheduler.runAfter(0, internal.privacy.deleteStep, { userId: user._id });
    return null;
  },
});

/** One batch, and the next one in the same transaction. */
export const deleteStep = internalMutation({
  args: { userId: v.id("users") },
  returns: v.null(),
  handler: async (ctx, { userId }) => {
    const workflow = await findWorkflow(ctx, deletionKey(userId));
    if (workflow === null || workflow.status !== "running") return null;
    const deleted = await deleteSome(ctx, userId);
    if (deleted === 0) await ctx.db.delete("users", userId);
    else await ctx.scheduler.runAfter(0, internal.privacy.deleteStep, { userId });
    await ctx.db.patch("workflows", workflow._id, {
      step: deleted === 0 ? "done" : "rows",
      done: workflow.done + deleted,
      status: deleted === 0 ? "completed" : "running",
      updatedAt: Date.now(),
    });
    return null;
  },
});

/** How far a deletion has come; null when there was none. */
export const deletion = query({
  args: { token: v.string(), userId: v.id("users") },
  handler: async (ctx, { token, userId }) => {
    await requireStaff(ctx, token);
    const workflow = await findWorkflow(ctx, deletionKey(userId));
    return workflow === null ? null : { status: workflow.status, done: workflow.done };
  },
});
