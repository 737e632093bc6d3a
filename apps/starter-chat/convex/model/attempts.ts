import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx } from "../_generated/server.js";
import { attemptLimits, limits } from "./limits.ts";

// How often something may be tried by people of whom nothing is known yet. An attempt is counted before it is made, so
// that many at once are no more than one after another; a right password is taken back out of the count.

export type AttemptKind = keyof typeof attemptLimits;

/**
 * Counts an attempt, unless there have been too many.
 *
 * @param email as it was typed: whether anybody has it makes no difference. Empty: only the place counts
 * @returns how many milliseconds to wait; 0: go ahead
 */
export async function takeAttempt(ctx: MutationCtx, kind: AttemptKind, email: string): Promise<number> {
  const now = Date.now();
  const counters = await countersOf(ctx, kind, email);
  const waits = counters.map(({ row, max }) =>
    row !== null && row.count >= max ? Math.max(0, row.until - now) : 0,
  );
  const waitMs = Math.max(0, ...waits);
  if (waitMs > 0) return waitMs;
  for (const { key, row } of counters) {
    const isOver = row === null || row.until <= now;
    if (row !== null && !isOver) await ctx.db.patch("attempts", row._id, { count: row.count + 1 });
    if (row !== null && isOver) await ctx.db.delete("attempts", row._id);
    if (isOver) await ctx.db.insert("attempts", { key, count: 1, until: now + attemptLimits[kind].windowMs });
  }
  return 0;
}

/** It was right: the address counts anew. Its place gets only this one back: a right password pays for no wrong ones. */
export async function forgetAttempt(ctx: MutationCtx, kind: AttemptKind, email: string): Promise<void> {
  for (const { row, isAddress } of await countersOf(ctx, kind, email)) {
    if (row === null) continue;
    if (isAddress || row.count <= 1) await ctx.db.delete("attempts", row._id);
    else await ctx.db.patch("attempts", row._id, { count: row.count - 1 });
  }
}

/** Deletes counts whose time is over; returns how many. */
export async function sweepAttempts(ctx: MutationCtx, countMax: number): Promise<number> {
  const rows = await ctx.db
    .query("attempts")
    .withIndex("by_until", (q) => q.lte("until", Date.now()))
    .take(countMax);
  for (const { _id } of rows) await ctx.db.delete("attempts", _id);
  return rows.length;
}

interface Counter {
  readonly key: string;
  readonly max: number;
  readonly isAddress: boolean;
  readonly row: Doc<"attempts"> | null;
}

/** What an attempt counts for: the address, and the place it comes from if that is known. */
async function countersOf(ctx: MutationCtx, kind: AttemptKind, email: string): Promise<Counter[]> {
  const { perAddressMax, perPlaceMax } = attemptLimits[kind];
  const { ip } = await ctx.meta.getRequestMetadata();
  const address = email.trim().toLowerCase().slice(0, limits.emailLengthMax);
  const keys = [];
  if (address !== "") keys.push({ key: `${kind} for ${address}`, max: perAddressMax, isAddress: true });
  if (ip !== null) keys.push({ key: `${kind} from ${placeOf(ip)}`, max: perPlaceMax, isAddress: false });
  return await Promise.all(
    keys.map(async (counter) => {
      const row = await ctx.db
        .query("attempts")
        .withIndex("by_key", (q) => q.eq("key", counter.key))
        .unique();
      return { ...counter, row };
    }),
  );
}

/** Whoever has one IPv6 address has 2^64 of them: the network counts. */
function placeOf(ip: string): string {
  const text = ip.toLowerCase();
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1];
  if (v4 !== undefined || !text.includes(":")) return v4 ?? text;
  const [head = "", tail] = text.split("::");
  const left = head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  const network = [...left, ...zeros, ...right].slice(0, 4);
  return `${network.map((group) => Number.parseInt(group || "0", 16).toString(16)).join(":")}::/64`;
}
