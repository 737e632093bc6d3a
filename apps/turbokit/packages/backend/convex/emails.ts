import { vOnEmailEventArgs } from "@convex-dev/resend";
import { v } from "convex/values";
import { internalMutation, internalQuery, query } from "./_generated/server.js";
import * as Emails from "./app/emails/model.ts";
import { emailTemplateValidator } from "./schema.ts";

/** The caller's mails and what became of them, newest first. */
export const list = query({ args: {}, handler: async (ctx) => await Emails.list(ctx) });

/** Hands rendered mails to the component, each once. */
export const deliver = internalMutation({
  args: {
    mails: v.array(
      v.object({
        userId: v.id("users"),
        template: emailTemplateValidator,
        key: v.string(),
        subject: v.string(),
        html: v.string(),
        text: v.string(),
      }),
    ),
  },
  handler: async (ctx, { mails }) => {
    for (const mail of mails) await Emails.deliver(ctx, mail);
    return null;
  },
});

/** Resend has told what became of a mail. */
export const reported = internalMutation({
  args: vOnEmailEventArgs,
  handler: async (ctx, { id, event }) => {
    await Emails.applyEvent(ctx, id, event);
    return null;
  },
});

/** Sends each who wants it a mail about the last day. A cron calls it; it goes on by itself. */
export const sendDailyDigest = internalMutation({
  args: { cursor: v.optional(v.string()), day: v.optional(v.string()) },
  handler: async (ctx, { cursor, day }) => {
    await Emails.startDigests(ctx, cursor ?? null, day ?? new Date(Date.now()).toISOString().slice(0, 10));
    return null;
  },
});

/** What there is to tell these users. */
export const digestsOf = internalQuery({
  args: { userIds: v.array(v.id("users")) },
  handler: async (ctx, { userIds }) => await Emails.digestsOf(ctx, userIds),
});
