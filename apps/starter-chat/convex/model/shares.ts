import type { Infer } from "convex/values";
import { internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import type { sharePermissions } from "../schema.ts";
import { accessOfShare, activeShares, type ChatAccess, findShare } from "./access.ts";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";

type Permissions = Infer<typeof sharePermissions>;

/** What somebody wants to let others do. */
export interface Grant {
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly canShare: boolean;
  readonly expiresAt: number | undefined;
}

/** The same, if the person may give it: no right they do not have, and no longer than their own share lasts. */
export async function checkGrant(
  ctx: QueryCtx,
  user: Doc<"users">,
  { chat, access }: { chat: Doc<"chats">; access: ChatAccess },
  { expiresAt, ...permissions }: Grant,
): Promise<{ permissions: Permissions; expiresAt: number | undefined }> {
  if (!permissions.canRead)
    throw appError("invalid", "Whoever a chat is shared with can read it.", "canRead");
  if (permissions.canWrite && !access.canWrite)
    throw appError("forbidden", "You cannot let others write here.");
  if (expiresAt !== undefined && !(expiresAt > Date.now()))
    throw appError("invalid", "The share must end in the future.", "expiresAt");
  const ownEnd = access.isOwner ? undefined : (await findShare(ctx, chat._id, user._id))?.expiresAt;
  return {
    permissions,
    expiresAt: ownEnd === undefined ? expiresAt : Math.min(ownEnd, expiresAt ?? ownEnd),
  };
}

/** Makes a share, and sees to it that it ends in time. */
export async function insertShare(
  ctx: MutationCtx,
  chat: Doc<"chats">,
  fields: {
    permissions: Permissions;
    expiresAt: number | undefined;
  } & Partial<Pick<Doc<"chat_shares">, "sharedWithUserId" | "invitedEmail" | "viaShareId">>,
): Promise<{ shareId: Id<"chat_shares">; token: string }> {
  const others = await activeShares(ctx, chat._id);
  if (others.length >= limits.sharesPerChatMax)
    throw appError("conflict", `A chat has at most ${limits.sharesPerChatMax} shares.`);
  const { expiresAt, ...rest } = fields;
  const token = crypto.randomUUID().replaceAll("-", "");
  const shareId = await ctx.db.insert("chat_shares", {
    chatId: chat._id,
    ownerId: chat.userId,
    shareToken: token,
    isActive: true,
    accessCount: 0,
    ...rest,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  });
  await scheduleEnd(ctx, shareId, expiresAt);
  return { shareId, token };
}

/**
 * Lets the scheduler end the share. Every call looks at the clock anyway; this is for open windows, whose queries are
 * asked again only when what they have read changes.
 */
export async function scheduleEnd(
  ctx: MutationCtx,
  shareId: Id<"chat_shares">,
  expiresAt: number | undefined,
): Promise<void> {
  if (expiresAt === undefined) return;
  // A share of the far future is found by the sweep in crons.ts; the scheduler takes times of the next years only.
  const at = Math.min(expiresAt, Date.now() + limits.scheduleAheadMsMax);
  await ctx.scheduler.runAt(at, internal.functions.mutations.shares.endExpired, { shareId });
}

/** Ends a share. With a link, those who have joined by it go too. */
export async function endShare(ctx: MutationCtx, shareId: Id<"chat_shares">): Promise<void> {
  await ctx.db.patch("chat_shares", shareId, { isActive: false });
  const joined = await ctx.db
    .query("chat_shares")
    .withIndex("by_via", (q) => q.eq("viaShareId", shareId).eq("isActive", true))
    .take(limits.sharesPerChatMax);
  for (const { _id } of joined) await ctx.db.patch("chat_shares", _id, { isActive: false });
}

/** A share that names nobody: whoever has its token may use it. */
export function isLink({ sharedWithUserId, invitedEmail }: Doc<"chat_shares">): boolean {
  return sharedWithUserId === undefined && invitedEmail === undefined;
}

/** A link that holds, and its chat. */
export interface OpenLink {
  readonly share: Doc<"chat_shares">;
  readonly chat: Doc<"chats">;
}

/** The link of a token; null if there is none, or it has ended. */
export async function findLink(ctx: QueryCtx, token: string): Promise<OpenLink | null> {
  const share = await ctx.db
    .query("chat_shares")
    .withIndex("by_token", (q) => q.eq("shareToken", token))
    .unique();
  if (share === null || !isLink(share)) return null;
  const chat = accessOfShare(share) === null ? null : await ctx.db.get("chats", share.chatId);
  if (chat === null || chat.deletingAt !== undefined) return null;
  const owner = await ctx.db.get("users", chat.userId);
  return owner === null || owner.isActive === false ? null : { share, chat };
}

/** The same. Throws "not_found" if there is none. */
export async function requireLink(ctx: QueryCtx, token: string): Promise<OpenLink> {
  const link = await findLink(ctx, token);
  if (link === null) throw appError("not_found", "This link does not exist, or it has ended.");
  return link;
}
