import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalAction, internalMutation, internalQuery } from "./_generated/server.js";
import { env } from "./env.ts";
import { track } from "./model/analytics.ts";
import { withUrl } from "./model/attachments.ts";
import { addNotice, requireConversation, startConversation } from "./model/conversations.ts";
import { limits } from "./model/limits.ts";
import { receiveWithFiles } from "./model/media.ts";
import { takeToken } from "./model/rateLimit.ts";
import { findOrCreateByPhone } from "./model/users.ts";
import { checkPhone } from "./model/validation.ts";
import { media } from "./schema.ts";

/** An SMS longer than this is cut: Twilio refuses it otherwise. */
const smsLengthMax = 1_600;
/** A new message so long after the last one is about something new. */
const sameMatterMs = 24 * 60 * 60_000;

/** Takes in an SMS. Twilio delivers at least once: a message that is known already changes nothing. */
export const receiveSms = internalMutation({
  args: {
    from: v.string(),
    body: v.string(),
    messageSid: v.string(),
    media: v.optional(v.array(media.pick("url", "contentType"))),
  },
  returns: v.union(v.id("messages"), v.null()),
  handler: async (ctx, { from, body, messageSid, media: files = [] }) => {
    const known = await ctx.db
      .query("messages")
      .withIndex("by_external", (q) => q.eq("externalId", messageSid))
      .first();
    if (known !== null) return known._id;
    const content = body.trim().slice(0, limits.messageLengthMax);
    if (content === "" && files.length === 0) return null;
    const phone = checkPhone(from);
    await takeToken(ctx, "smsPerPhone", phone);
    const user = await findOrCreateByPhone(ctx, phone);
    const latest = await ctx.db
      .query("conversations")
      .withIndex("by_user_channel", (q) => q.eq("userId", user._id).eq("channel", "sms"))
      .order("desc")
      .first();
    const isSameMatter = latest !== null && Date.now() - latest.lastMessageAt < sameMatterMs;
    const conversation = isSameMatter
      ? latest
      : await requireConversation(
          ctx,
          user,
          await startConversation(ctx, user._id, {
            subject: content === "" ? "A picture by MMS" : content.slice(0, 60),
            channel: "sms",
          }),
        );
    await track(ctx, "sms_received", { userId: user._id, conversationId: conversation._id });
    return await receiveWithFiles(ctx, conversation, { content, externalId: messageSid }, files);
  },
});

/** Sends an answer to a customer's phone. */
export const send = internalAction({
  args: { messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { messageId }) => {
    const target = await ctx.runQuery(internal.sms.toSend, { messageId });
    if (target === null) return null;
    const { accountSid, authorization, from, baseUrl } = env.twilio();
    const response = await fetch(`${baseUrl}/2010-04-01/Accounts/${accountSid}/Messages.json`, {
      method: "POST",
      headers: {
        authorization,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ To: target.phone, From: from, Body: target.content }).toString(),
    });
    const answer = (await response.json().catch(() => ({}))) as { sid?: string; message?: string };
    await ctx.runMutation(internal.sms.sent, {
      messageId,
      ...(response.ok && answer.sid !== undefined
        ? { externalId: answer.sid }
        : { error: answer.message ?? `Twilio answered ${response.status}` }),
    });
    return null;
  },
});

export const toSend = internalQuery({
  args: { messageId: v.id("messages") },
  handler: async (ctx, { messageId }) => {
    const message = await ctx.db.get("messages", messageId);
    // One that has an id of the provider has been sent.
    if (message === null || message.externalId !== undefined) return null;
    const conversation = await ctx.db.get("conversations", message.conversationId);
    const user = conversation === null ? null : await ctx.db.get("users", conversation.userId);
    if (user?.phone === undefined) return null;
    const file = (await withUrl(ctx, message)).attachment?.url;
    const lines = [textOf(message), file].filter(
      (line) => line !== undefined && line !== null && line !== "",
    );
    return { phone: user.phone, content: lines.join("\n").slice(0, smsLengthMax) };
  },
});

export const sent = internalMutation({
  args: { messageId: v.id("messages"), externalId: v.optional(v.string()), error: v.optional(v.string()) },
  returns: v.null(),
  handler: async (ctx, { messageId, externalId, error }) => {
    const message = await ctx.db.get("messages", messageId);
    if (message === null) return null;
    if (externalId !== undefined) {
      await ctx.db.patch("messages", messageId, { externalId });
      await track(ctx, "sms_sent", { conversationId: message.conversationId });
    } else {
      await ctx.db.patch("messages", messageId, { state: "failed", error: error ?? "Twilio did not answer" });
      await addNotice(ctx, message.conversationId, `The SMS could not be delivered: ${error ?? "no answer"}`);
    }
    return null;
  },
});

/** Brackets that point to a list below mean nothing on a phone. */
function textOf({ content }: Doc<"messages">): string {
  return content.replace(/\s*\[\d{1,2}\]/g, "");
}
