import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx } from "../../_generated/server.js";
import { backendError } from "../../lib/errors.ts";
import { enqueue } from "../../lib/outbox.ts";
import { creditsFor, monthOf } from "./plans.ts";

/*
 * Credits. `users.credits` is what can be spent; at any moment the sum of a user's ledger is that plus what is held back
 * by open reservations (tests/backend/billing.test.ts).
 */

/** An expensive call that has not told what became of it in this time never will. */
const reservationMs = 15 * 60_000;
const expiredBatch = 100;

/**
 * Books a change once, whatever is sent again.
 *
 * @param key names the reason for all time, e.g. `stripe:<session>`
 * @returns false: it was booked before
 * @throws INSUFFICIENT_CREDITS {required, available} when it takes more than there is
 */
export async function book(
  ctx: MutationCtx,
  userId: Id<"users">,
  entry: { readonly delta: number; readonly reason: string; readonly key: string },
): Promise<boolean> {
  if (await isBooked(ctx, entry.key)) return false;
  const user = await requireUser(ctx, userId);
  if (user.credits + entry.delta < 0) throw insufficient(-entry.delta, user.credits);
  await change(ctx, user, entry.delta);
  await ctx.db.insert("ledger", {
    userId,
    ...entry,
    balance: user.credits + entry.delta,
    createdAt: Date.now(),
  });
  return true;
}

/** Whether a change has been booked. */
export async function isBooked(ctx: MutationCtx, key: string): Promise<boolean> {
  const entry = await ctx.db
    .query("ledger")
    .withIndex("by_key", (q) => q.eq("key", key))
    .first();
  return entry !== null;
}

/**
 * Holds credits back for a call that is about to be made.
 *
 * @throws INSUFFICIENT_CREDITS {required, available}
 */
export async function reserve(
  ctx: MutationCtx,
  userId: Id<"users">,
  credits: number,
  purpose: string,
): Promise<Id<"reservations">> {
  const user = await requireUser(ctx, userId);
  if (user.credits < credits) throw insufficient(credits, user.credits);
  await change(ctx, user, -credits);
  const expiresAt = Date.now() + reservationMs;
  return await ctx.db.insert("reservations", { userId, credits, purpose, state: "open", expiresAt });
}

/** Gives back what was held for a call that did not happen. */
export async function release(ctx: MutationCtx, id: Id<"reservations">): Promise<void> {
  const reservation = await ctx.db.get(id);
  if (reservation === null || reservation.state !== "open") return;
  await ctx.db.patch(id, { state: "released" });
  await change(ctx, await requireUser(ctx, reservation.userId), reservation.credits);
}

/**
 * Books what a call has used, and gives back the rest of what was held for it. A call that has used more than was held
 * takes the rest from what there is, never more.
 *
 * @returns the credits that it took
 */
export async function trackUsage(
  ctx: MutationCtx,
  usage: {
    readonly userId: Id<"users">;
    readonly tokens: number;
    readonly purpose: string;
    readonly reservationId?: Id<"reservations"> | undefined;
  },
): Promise<number> {
  const { userId, tokens, purpose, reservationId } = usage;
  if (reservationId !== undefined) await release(ctx, reservationId);
  const user = await requireUser(ctx, userId);
  const credits = Math.min(creditsFor(tokens), user.credits);
  const key = `usage:${reservationId ?? crypto.randomUUID()}`;
  if (!(await book(ctx, userId, { delta: -credits, reason: purpose, key }))) return 0;
  await count(ctx, userId, credits, tokens);
  await enqueue(ctx, "autumn", key, { customerId: userId, featureId: "credits", value: credits });
  return credits;
}

/** Gives back what was held for calls that never ended, e.g. because the server did. A cron calls it. */
export async function releaseExpired(ctx: MutationCtx): Promise<number> {
  const expired = await ctx.db
    .query("reservations")
    .withIndex("by_state", (q) => q.eq("state", "open").lt("expiresAt", Date.now()))
    .take(expiredBatch);
  for (const { _id } of expired) await release(ctx, _id);
  return expired.length;
}

/** The error of those who have too little. */
export function insufficient(required: number, available: number) {
  return backendError("INSUFFICIENT_CREDITS", "Not enough credits for this operation", {
    required,
    available,
  });
}

async function count(ctx: MutationCtx, userId: Id<"users">, credits: number, tokens: number): Promise<void> {
  const month = monthOf(Date.now());
  const total = await ctx.db
    .query("usage")
    .withIndex("by_user_month", (q) => q.eq("userId", userId).eq("month", month))
    .unique();
  if (total === null) await ctx.db.insert("usage", { userId, month, credits, tokens, calls: 1 });
  else
    await ctx.db.patch(total._id, {
      credits: total.credits + credits,
      tokens: total.tokens + tokens,
      calls: total.calls + 1,
    });
}

async function change(ctx: MutationCtx, user: Doc<"users">, delta: number): Promise<void> {
  await ctx.db.patch(user._id, { credits: user.credits + delta, updatedAt: Date.now() });
}

async function requireUser(ctx: MutationCtx, userId: Id<"users">): Promise<Doc<"users">> {
  const user = await ctx.db.get(userId);
  if (user === null) throw backendError("USER_NOT_FOUND", "User not found");
  return user;
}
