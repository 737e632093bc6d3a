import type { EmailEvent, EmailId } from "@convex-dev/resend";
import { internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../../_generated/server.js";
import { requireAuth } from "../../lib/auth.ts";
import { readEnv } from "../../lib/env.ts";
import { canSend, resend } from "./resend.ts";

type EmailStatus = Doc<"emails">["status"];

export interface Mail {
  readonly userId: Id<"users">;
  readonly template: Doc<"emails">["template"];
  /** Names the occasion for all time: one mail for each. */
  readonly key: string;
  readonly subject: string;
  readonly html: string;
  readonly text: string;
}

export interface Digest {
  readonly userId: Id<"users">;
  readonly name: string;
  readonly projects: { readonly name: string; readonly comments: number }[];
}

const listMax = 50;
const digestBatch = 50;
const dayMs = 24 * 3_600_000;
const projectsMax = 50;
const commentsMax = 100;

/**
 * Which news outranks which: webhooks come in any order. What is equal in rank is decided by who came last.
 */
const ranks: Readonly<Record<EmailStatus, number>> = {
  queued: 0,
  sent: 1,
  delivery_delayed: 2,
  delivered: 3,
  cancelled: 4,
  failed: 4,
  bounced: 4,
  complained: 5,
};

/** Hands a mail to the component, once for each key. Null: not sent (there was one, there is no key for Resend, or no address). */
export async function deliver(ctx: MutationCtx, mail: Mail): Promise<Id<"emails"> | null> {
  const { userId, key, template, subject, html, text } = mail;
  const user = await ctx.db.get(userId);
  if (user === null || user.deletedAt !== undefined || user.email === "" || !canSend()) return null;
  if ((await findByKey(ctx, key)) !== null) return null;
  const from = readEnv("EMAIL_FROM") ?? "TurboKit <team@example.com>";
  const emailId = await resend().sendEmail(ctx, {
    from,
    to: user.email,
    subject,
    html,
    text,
    idempotencyKey: key,
  });
  const now = Date.now();
  return await ctx.db.insert("emails", {
    userId,
    key,
    template,
    to: user.email,
    subject,
    emailId,
    status: "queued",
    statusAt: now,
    createdAt: now,
  });
}

/** The caller's mails and what became of them, newest first. */
export async function list(ctx: QueryCtx) {
  const { user } = await requireAuth(ctx);
  const mails = await ctx.db
    .query("emails")
    .withIndex("by_user", (q) => q.eq("userId", user._id))
    .order("desc")
    .take(listMax);
  return await Promise.all(
    mails.map(async ({ _id, template, to, subject, status, createdAt, emailId }) => ({
      _id,
      template,
      to,
      subject,
      createdAt,
      // Resend's webhook tells of what comes after sending; that it is sent the component knows.
      status: status === "queued" ? await sentStatus(ctx, emailId) : status,
    })),
  );
}

/** Takes note of what became of a mail. Nobody gets digests at an address that refuses or complains about mail. */
export async function applyEvent(ctx: MutationCtx, emailId: string, event: EmailEvent): Promise<void> {
  const mail = await ctx.db
    .query("emails")
    .withIndex("by_email_id", (q) => q.eq("emailId", emailId))
    .unique();
  const status = statusOf(event.type);
  if (mail === null || status === null || ranks[status] < ranks[mail.status]) return;
  await ctx.db.patch(mail._id, { status, statusAt: Date.now() });
  if (status === "bounced" || status === "complained") await silence(ctx, mail.to);
}

/** Sends the daily digests: one batch of users now, the next ones by itself. */
export async function startDigests(ctx: MutationCtx, cursor: string | null, day: string): Promise<void> {
  const { page, isDone, continueCursor } = await ctx.db
    .query("users")
    .withIndex("by_digest", (q) => q.eq("digest", true).eq("deletedAt", undefined))
    .paginate({ numItems: digestBatch, cursor });
  const userIds = page.map(({ _id }) => _id);
  if (userIds.length > 0)
    await ctx.scheduler.runAfter(0, internal.app.emails.actions.sendDigests, { userIds, day });
  if (!isDone)
    await ctx.scheduler.runAfter(0, internal.emails.sendDailyDigest, { cursor: continueCursor, day });
}

/** What happened in these users' projects within the last day; those where nothing did are left out. */
export async function digestsOf(ctx: QueryCtx, userIds: readonly Id<"users">[]): Promise<Digest[]> {
  const since = Date.now() - dayMs;
  const digests = await Promise.all(
    userIds.map(async (userId) => {
      const user = await ctx.db.get(userId);
      if (user === null || user.deletedAt !== undefined) return null;
      const projects = await commented(ctx, userId, since);
      return projects.length === 0 ? null : { userId, name: user.name, projects };
    }),
  );
  return digests.filter((digest) => digest !== null);
}

async function commented(ctx: QueryCtx, userId: Id<"users">, since: number): Promise<Digest["projects"]> {
  const projects = await ctx.db
    .query("projects")
    .withIndex("by_user_status", (q) =>
      q.eq("userId", userId).eq("deletedAt", undefined).eq("status", "active"),
    )
    .take(projectsMax);
  const counted = await Promise.all(
    projects.map(async ({ _id, name }) => {
      const messages = await ctx.db
        .query("messages")
        .withIndex("by_project", (q) => q.eq("projectId", _id).gt("createdAt", since))
        .take(commentsMax);
      return { name, comments: messages.filter((message) => message.userId !== userId).length };
    }),
  );
  return counted.filter(({ comments }) => comments > 0);
}

async function sentStatus(ctx: QueryCtx, emailId: string): Promise<EmailStatus> {
  const known = await resend().status(ctx, emailId as EmailId);
  if (known === null || known.status === "waiting") return "queued";
  return known.status;
}

function statusOf(type: string): EmailStatus | null {
  const status = type.replace(/^email\./, "");
  return status in ranks ? (status as EmailStatus) : null;
}

async function silence(ctx: MutationCtx, email: string): Promise<void> {
  const user = await ctx.db
    .query("users")
    .withIndex("by_email", (q) => q.eq("email", email))
    .first();
  if (user !== null) await ctx.db.patch(user._id, { digest: false });
}

async function findByKey(ctx: QueryCtx, key: string): Promise<Doc<"emails"> | null> {
  return await ctx.db
    .query("emails")
    .withIndex("by_key", (q) => q.eq("key", key))
    .first();
}
