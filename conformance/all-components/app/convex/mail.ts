import { Resend, vEmailId, vOnEmailEventArgs } from "@convex-dev/resend";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";

/** `api.resend.com` is another address in the tests: the server's egress map says which. */
export const resend: Resend = new Resend(components.resend, {
  apiKey: "re_test",
  webhookSecret: "whsec_dGhlIHNlY3JldCBvZiB0aGUgd2ViaG9vaw==",
  testMode: false,
  onEmailEvent: internal.mail.reported,
});

export const send = mutation({
  args: { to: v.string(), subject: v.string() },
  handler: (ctx, { to, subject }) =>
    resend.sendEmail(ctx, { from: "us@example.com", to, subject, text: "Hello" }),
});
export const status = query({ args: { id: vEmailId }, handler: (ctx, { id }) => resend.status(ctx, id) });
export const reported = internalMutation({
  args: vOnEmailEventArgs,
  handler: async (ctx, { event }) => {
    await ctx.db.insert("events", { name: "mail", value: event.type });
  },
});
