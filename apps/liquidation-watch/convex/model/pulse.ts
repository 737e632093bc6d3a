import type { QueryCtx } from "../_generated/server.js";
import { PULSE_SECONDS } from "./limits.ts";

export interface Pulse {
  second: number;
  ticks: number[];
  liquidations: number[];
  usd_value: number[];
  largest_usd: number;
}

/** The last minute up to the newest second with events; seconds without any are zeros. */
export async function readPulse(ctx: QueryCtx): Promise<Pulse> {
  const rows = await ctx.db.query("market_seconds").withIndex("by_second").order("desc").take(PULSE_SECONDS);
  const second = rows[0]?.second ?? 0;
  const zeros = () => Array.from({ length: PULSE_SECONDS }, () => 0);
  const pulse: Pulse = {
    second,
    ticks: zeros(),
    liquidations: zeros(),
    usd_value: zeros(),
    largest_usd: 0,
  };
  for (const row of rows) {
    const position = PULSE_SECONDS - 1 - (second - row.second) / 1_000;
    if (position < 0) continue;
    pulse.ticks[position] = row.ticks;
    pulse.liquidations[position] = row.liquidations;
    pulse.usd_value[position] = row.usd_value;
    pulse.largest_usd = Math.max(pulse.largest_usd, row.largest_usd);
  }
  return pulse;
}
