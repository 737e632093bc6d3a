import type { MutationCtx } from "../_generated/server.js";
import { LIQUIDATIONS_KEPT_MS, MINUTES_KEPT, SECONDS_KEPT } from "./limits.ts";
import type { Batch } from "./validation.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** The sums of some liquidations. */
interface Sums {
  liquidations: number;
  usd_value: number;
  largest_usd: number;
}

/**
 * Writes one batch: a few documents per symbol, one per liquidation, two kinds of sums; then deletes about as much as it
 * has written of what is too old. The work depends on the size of the batch alone, never on that of the tables.
 */
export async function ingestBatch(ctx: MutationCtx, batch: Batch, now: number): Promise<void> {
  await Promise.all(latestOfEach(batch.prices).map((price) => putPrice(ctx, price)));
  for (const liquidation of batch.liquidations) await ctx.db.insert("liquidations", liquidation);
  await addToSeconds(ctx, batch, now);
  await addToMinutes(ctx, batch);
  await deleteOld(ctx, batch.liquidations.length, now);
}

function latestOfEach(prices: Batch["prices"]): Batch["prices"] {
  const latest = new Map<string, Batch["prices"][number]>();
  for (const price of prices) {
    const other = latest.get(price.symbol);
    if (other === undefined || other.updated_at <= price.updated_at) latest.set(price.symbol, price);
  }
  return [...latest.values()];
}

async function putPrice(ctx: MutationCtx, price: Batch["prices"][number]): Promise<void> {
  const known = await ctx.db
    .query("prices")
    .withIndex("by_symbol", (q) => q.eq("symbol", price.symbol))
    .first();
  if (known === null) await ctx.db.insert("prices", price);
  // Two feeders, or one that sends again: the later time wins, whatever arrives last.
  else if (price.updated_at >= known.updated_at) await ctx.db.replace(known._id, price);
}

async function addToSeconds(ctx: MutationCtx, batch: Batch, now: number): Promise<void> {
  const sums = sumsBy(batch.liquidations, (one) => floorTo(one.created_at, SECOND_MS));
  // Price changes have been merged by the feeder: they count for the second of the newest.
  const newest = batch.prices.reduce((latest, price) => Math.max(latest, price.updated_at), 0);
  const tickSecond = floorTo(newest === 0 ? now : newest, SECOND_MS);
  if (batch.ticks > 0 && !sums.has(tickSecond)) sums.set(tickSecond, noSums());
  for (const [second, sum] of sums) {
    const ticks = second === tickSecond ? batch.ticks : 0;
    const known = await ctx.db
      .query("market_seconds")
      .withIndex("by_second", (q) => q.eq("second", second))
      .first();
    if (known === null) await ctx.db.insert("market_seconds", { second, ticks, ...sum });
    else await ctx.db.patch(known._id, { ticks: known.ticks + ticks, ...added(known, sum) });
  }
}

async function addToMinutes(ctx: MutationCtx, batch: Batch): Promise<void> {
  const bySymbol = new Map<string, Batch["liquidations"]>();
  for (const one of batch.liquidations) {
    const list = bySymbol.get(one.collateral_type);
    if (list === undefined) bySymbol.set(one.collateral_type, [one]);
    else list.push(one);
  }
  for (const [symbol, list] of bySymbol) {
    for (const [minute, sum] of sumsBy(list, (one) => floorTo(one.created_at, MINUTE_MS))) {
      const known = await ctx.db
        .query("symbol_minutes")
        .withIndex("by_minute", (q) => q.eq("minute", minute).eq("symbol", symbol))
        .first();
      if (known === null) await ctx.db.insert("symbol_minutes", { minute, symbol, ...sum });
      else await ctx.db.patch(known._id, added(known, sum));
    }
  }
}

async function deleteOld(ctx: MutationCtx, inserted: number, now: number): Promise<void> {
  const old = await ctx.db
    .query("liquidations")
    .withIndex("by_created", (q) => q.lt("created_at", now - LIQUIDATIONS_KEPT_MS))
    .take(2 * inserted + 1);
  const seconds = await ctx.db
    .query("market_seconds")
    .withIndex("by_second", (q) => q.lt("second", now - SECONDS_KEPT * SECOND_MS))
    .take(4);
  const minutes = await ctx.db
    .query("symbol_minutes")
    .withIndex("by_minute", (q) => q.lt("minute", now - MINUTES_KEPT * MINUTE_MS))
    .take(8);
  for (const { _id } of [...old, ...seconds, ...minutes]) await ctx.db.delete(_id);
}

function sumsBy(list: Batch["liquidations"], start: (one: Batch["liquidations"][number]) => number) {
  const sums = new Map<number, Sums>();
  for (const one of list) {
    const key = start(one);
    sums.set(
      key,
      added(sums.get(key) ?? noSums(), {
        liquidations: 1,
        usd_value: one.usd_value,
        largest_usd: one.usd_value,
      }),
    );
  }
  return sums;
}

function noSums(): Sums {
  return { liquidations: 0, usd_value: 0, largest_usd: 0 };
}

function added(a: Sums, b: Sums): Sums {
  return {
    liquidations: a.liquidations + b.liquidations,
    usd_value: a.usd_value + b.usd_value,
    largest_usd: Math.max(a.largest_usd, b.largest_usd),
  };
}

function floorTo(time: number, stepMs: number): number {
  return Math.floor(time / stepMs) * stepMs;
}
