"use node";

import { toPlainText } from "@react-email/render";
import { v } from "convex/values";
import type { ReactElement } from "react";
// Not "react-dom/server": its build for Node has calls of `require` inside that do not survive bundling.
import { renderToStaticMarkup } from "react-dom/server.browser";
import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import { type ActionCtx, internalAction } from "../../_generated/server.js";
import { appUrl } from "../../lib/env.ts";
import type { Digest } from "./model.ts";
import { DigestEmail, OnboardingDoneEmail, ProfileReminderEmail, WelcomeEmail } from "./templates/mails.tsx";

/** Welcomes a user. However often it runs, one mail goes out. */
export const sendWelcome = internalAction({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }): Promise<null> => {
    const isSent = await sendTo(ctx, userId, "welcome", "Welcome to TurboKit!", WelcomeEmail);
    if (isSent) await ctx.runMutation(internal.users.markWelcomed, { userId });
    return null;
  },
});

/** Reminds a user of their profile, once. */
export const sendProfileReminder = internalAction({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }): Promise<null> => {
    await sendTo(ctx, userId, "profileReminder", "Finish your profile", ProfileReminderEmail);
    return null;
  },
});

/** Tells a user that all is done, once. */
export const sendOnboardingDone = internalAction({
  args: { userId: v.id("users") },
  handler: async (ctx, { userId }): Promise<null> => {
    await sendTo(ctx, userId, "onboardingDone", "You are all set", OnboardingDoneEmail);
    return null;
  },
});

/** The digests of a batch of users, at most one a day for each. */
export const sendDigests = internalAction({
  args: { userIds: v.array(v.id("users")), day: v.string() },
  handler: async (ctx, { userIds, day }): Promise<null> => {
    const digests: Digest[] = await ctx.runQuery(internal.emails.digestsOf, { userIds });
    const mails = digests.map(({ userId, name, projects }) => ({
      userId,
      template: "digest" as const,
      key: `digest:${day}:${userId}`,
      subject: "Your projects since yesterday",
      ...rendered(DigestEmail({ name, projects, url: appUrl() })),
    }));
    if (mails.length > 0) await ctx.runMutation(internal.emails.deliver, { mails });
    return null;
  },
});

/** Sends a user the one mail of a template that they ever get. False: there is no such user. */
async function sendTo(
  ctx: ActionCtx,
  userId: Id<"users">,
  template: "welcome" | "profileReminder" | "onboardingDone",
  subject: string,
  mailOf: (props: { name: string; url: string }) => ReactElement,
): Promise<boolean> {
  const user = await ctx.runQuery(internal.users.get, { userId });
  if (user === null) return false;
  const mail = rendered(mailOf({ name: user.name, url: appUrl() }));
  const key = `${template}:${userId}`;
  await ctx.runMutation(internal.emails.deliver, { mails: [{ userId, template, key, subject, ...mail }] });
  return true;
}

const doctype =
  '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">';

function rendered(mail: ReactElement): { html: string; text: string } {
  const html = `${doctype}${renderToStaticMarkup(mail)}`;
  return { html, text: toPlainText(html) };
}
