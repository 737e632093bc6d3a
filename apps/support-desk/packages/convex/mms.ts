import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { internalAction, internalMutation } from "./_generated/server.js";
import { env } from "./env.ts";
import { bareType, whyNot } from "./model/attachments.ts";
import { addNotice } from "./model/conversations.ts";

/*
 * Files that came by MMS. Twilio keeps them; they are fetched into our own storage, several times if need be. An action
 * that is lost with its process leaves `media.dueAt` behind, by which a cron finds the message again.
 */

const attemptsMax = 5;
const retryMs = 2_000;
/** A fetch without a sign of life for so long is lost. */
const lostAfterMs = 2 * 60_000;
const perRun = 50;

/** What each kind is called: Twilio keeps no names. */
const names: Readonly<Record<string, string>> = {
  "image/png": "picture.png",
  "image/jpeg": "picture.jpg",
  "image/gif": "picture.gif",
  "image/webp": "picture.webp",
  "application/pdf": "document.pdf",
  "text/plain": "text.txt",
};

/** What no further attempt would change. */
class Refusal extends Error {}

export const fetchOne = internalAction({
  args: { messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { messageId }) => {
    const file = await ctx.runMutation(internal.mms.begin, { messageId });
    if (file === null) return null;
    try {
      const blob = await fetchFile(file);
      const { size, type: contentType } = blob;
      const storageId = await ctx.storage.store(blob);
      await ctx.runMutation(internal.mms.fetched, { messageId, storageId, contentType, size });
    } catch (error) {
      const { message } = error as Error;
      const isFinal = error instanceof Refusal;
      await ctx.runMutation(internal.mms.failed, { messageId, error: message.slice(0, 300), isFinal });
    }
    return null;
  },
});

/** The file, with the account's own key; that goes to Twilio only. */
async function fetchFile({ url, contentType }: { url: string; contentType: string }): Promise<Blob> {
  const { authorization, baseUrl } = env.twilio();
  if (!isTwilios(url, baseUrl)) throw new Refusal("It is not at an address of Twilio's.");
  const response = await fetch(url, { headers: { authorization } });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`Twilio answered ${response.status}`);
  }
  const type = bareType(response.headers.get("content-type") ?? contentType);
  const announced = whyNot({ contentType: type, size: Number(response.headers.get("content-length") ?? 0) });
  if (announced !== null) {
    await response.body?.cancel();
    throw new Refusal(announced);
  }
  const bytes = await response.arrayBuffer();
  const reason = whyNot({ contentType: type, size: bytes.byteLength });
  if (reason !== null) throw new Refusal(reason);
  return new Blob([bytes], { type });
}

/** Whether an address may have the account's key. */
export function isTwilios(url: string, baseUrl: string): boolean {
  if (!URL.canParse(url)) return false;
  const { origin, protocol, hostname } = new URL(url);
  return origin === new URL(baseUrl).origin || (protocol === "https:" && hostname.endsWith(".twilio.com"));
}

/** What is to be fetched for a message; null when nothing is, or somebody is at it. */
export const begin = internalMutation({
  args: { messageId: v.id("messages") },
  returns: v.union(v.object({ url: v.string(), contentType: v.string() }), v.null()),
  handler: async (ctx, { messageId }) => {
    const media = (await ctx.db.get("messages", messageId))?.media;
    const nowMs = Date.now();
    if (media === undefined || media.dueAt > nowMs) return null;
    await ctx.db.patch("messages", messageId, {
      media: { ...media, attempts: media.attempts + 1, dueAt: nowMs + lostAfterMs },
    });
    return { url: media.url, contentType: media.contentType };
  },
});

export const fetched = internalMutation({
  args: {
    messageId: v.id("messages"),
    storageId: v.id("_storage"),
    contentType: v.string(),
    size: v.number(),
  },
  returns: v.null(),
  handler: async (ctx, { messageId, ...file }) => {
    const message = await ctx.db.get("messages", messageId);
    // Deleted meanwhile, or fetched by another.
    if (message?.media === undefined) {
      await ctx.storage.delete(file.storageId);
      return null;
    }
    const name = names[file.contentType] ?? "file";
    await ctx.db.patch("messages", messageId, { media: undefined, attachment: { ...file, name } });
    return null;
  },
});

export const failed = internalMutation({
  args: { messageId: v.id("messages"), error: v.string(), isFinal: v.boolean() },
  returns: v.null(),
  handler: async (ctx, { messageId, error, isFinal }) => {
    const message = await ctx.db.get("messages", messageId);
    if (message?.media === undefined) return null;
    const { media, content, conversationId } = message;
    if (!isFinal && media.attempts < attemptsMax) {
      const waitMs = retryMs * 2 ** media.attempts;
      await ctx.db.patch("messages", messageId, { media: { ...media, dueAt: Date.now() + waitMs } });
      await ctx.scheduler.runAfter(waitMs, internal.mms.fetchOne, { messageId });
      return null;
    }
    await ctx.db.patch("messages", messageId, {
      media: undefined,
      content: content === "" ? "(a file that could not be fetched)" : content,
    });
    await addNotice(ctx, conversationId, `A file of this message could not be fetched: ${error}`);
    return null;
  },
});

/** Fetches what is overdue. Run by a cron. */
export const fetchDue = internalMutation({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const due = await ctx.db
      .query("messages")
      .withIndex("by_media", (q) => q.gt("media.dueAt", 0).lte("media.dueAt", Date.now()))
      .take(perRun);
    for (const { _id } of due) await ctx.scheduler.runAfter(0, internal.mms.fetchOne, { messageId: _id });
    return due.length;
  },
});
