import type { Id } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { env } from "../env.ts";
import { appError } from "./errors.ts";
import { type RateRule, rateRules } from "./limits.ts";

/** Buckets that would be full again are as good as none. */
const forgetAfterMs = 24 * 60 * 60_000;

/** Tokens of a bucket at `nowMs`: it fills evenly and never beyond its size. */
export function tokensAt(
  bucket: { readonly tokens: number; readonly updatedAt: number } | null,
  rule: RateRule,
  nowMs: number,
): number {
  if (bucket === null) return rule.capacity;
  const returned = (Math.max(0, nowMs - bucket.updatedAt) * rule.capacity) / rule.perMs;
  return Math.min(rule.capacity, bucket.tokens + returned);
}

/**
 * Takes one token, or refuses with `rate_limited` and the time until there is one. `subject` is an IP address, a user's
 * id, an e-mail address, a phone number; null (an unknown address) counts as one subject of its own.
 */
export async function takeToken(
  ctx: MutationCtx,
  rule: keyof typeof rateRules,
  subject: string | null,
): Promise<void> {
  const { perMs } = rateRules[rule];
  const capacity = rateRules[rule].capacity * (rule.endsWith("PerIp") ? env.ipShare() : 1);
  const { key, bucket } = await findBucket(ctx, rule, subject);
  const nowMs = Date.now();
  const tokens = tokensAt(bucket, { capacity, perMs }, nowMs);
  if (tokens < 1) {
    const retryAfterMs = Math.ceil(((1 - tokens) * perMs) / capacity);
    throw appError("rate_limited", `Too many requests. Try again in ${Math.ceil(retryAfterMs / 1000)} s.`, {
      retryAfterMs,
    });
  }
  const row = { key, tokens: tokens - 1, updatedAt: nowMs };
  if (bucket === null) await ctx.db.insert("rateLimits", row);
  else await ctx.db.replace("rateLimits", bucket._id, row);
}

/** Deletes what is counted of a user; returns how many buckets that was. */
export async function forgetBucketsOf(ctx: MutationCtx, userId: Id<"users">): Promise<number> {
  let deleted = 0;
  for (const rule of Object.keys(rateRules) as (keyof typeof rateRules)[]) {
    if (!rule.endsWith("PerUser")) continue;
    const { bucket } = await findBucket(ctx, rule, userId);
    if (bucket === null) continue;
    await ctx.db.delete("rateLimits", bucket._id);
    deleted += 1;
  }
  return deleted;
}

async function findBucket(ctx: MutationCtx, rule: keyof typeof rateRules, subject: string | null) {
  const key = `${rule}:${subject ?? "unknown"}`;
  const bucket = await ctx.db
    .query("rateLimits")
    .withIndex("by_key", (q) => q.eq("key", key))
    .unique();
  return { key, bucket };
}

/** The caller's address as the server saw it; null for what the server itself started. */
export async function callerAddress(
  ctx: MutationCtx,
): Promise<{ ip: string | null; userAgent: string | null }> {
  const { ip, userAgent } = await ctx.meta.getRequestMetadata();
  return { ip, userAgent };
}

/** Deletes what nobody needs any more; returns how many of at most `limit`. */
export async function forgetOldBuckets(ctx: MutationCtx, limit: number): Promise<number> {
  const old = await ctx.db
    .query("rateLimits")
    .withIndex("by_updated", (q) => q.lt("updatedAt", Date.now() - forgetAfterMs))
    .take(limit);
  for (const { _id } of old) await ctx.db.delete("rateLimits", _id);
  return old.length;
}
