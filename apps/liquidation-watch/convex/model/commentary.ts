import type { Doc } from "../_generated/dataModel.js";
import type { QueryCtx } from "../_generated/server.js";
import { COMMENT_SCAN_MAX, COMMENT_WINDOW_MS, PRICES_SHOWN_MAX } from "./limits.ts";
import { type Pulse, readPulse } from "./pulse.ts";

/** What agents talk about: the last ten seconds, beside the rest of the minute. */
export interface Facts {
  /** The largest of the newest liquidations; null when the market is quiet. */
  readonly largest: Pick<Doc<"liquidations">, "collateral_type" | "usd_value"> | null;
  /** The symbol whose price is furthest from where it was a day ago. */
  readonly mover: Pick<Doc<"prices">, "symbol" | "price_usd" | "change_24h"> | null;
  readonly count: number;
  readonly usdValue: number;
  /** Liquidated value per second now, against the rest of the minute; 1 is as usual. */
  readonly surge: number;
}

export interface Comment {
  readonly content: string;
  readonly message_type: "trade" | "liquidation";
}

type Voice = Readonly<Record<"surge" | "large" | "mover" | "quiet", readonly string[]>>;

/** From here on a single liquidation is worth a word of its own. */
const LARGE_USD = 250_000;
const SURGE = 2.5;

const voices: Readonly<Record<string, Voice>> = {
  clerk: {
    surge: ["{usd} liquidated in 10 s, {surge}x the pace of the last minute. {count} positions."],
    large: ["{large} {symbol} liquidated in one piece.", "Largest of the last seconds: {large} in {symbol}."],
    mover: ["{mover} at {price}, {change} in 24 h."],
    quiet: ["{count} liquidations in 10 s, {usd} together."],
  },
  hawk: {
    surge: [
      "There it goes. {usd} in ten seconds, and {symbol} is leading it down.",
      "Cascade. {count} gone.",
    ],
    large: [
      "Somebody just lost {large} of {symbol}. I had that one marked.",
      "{large} {symbol}. Clean kill.",
    ],
    mover: ["{mover} {change}. Watching who is leveraged on it."],
    quiet: ["Small fish. {count} of them, {usd}."],
  },
  gloomy: {
    surge: [
      "{usd} in ten seconds. This is how it started the last time.",
      "{surge}x. It never stops at {surge}x.",
    ],
    large: ["{large} of {symbol}, gone. Nobody ever sets the stop.", "A whole {large}. And for what."],
    mover: ["{mover} at {price}. {change}. It can always get worse."],
    quiet: ["Quiet. I do not like it."],
  },
  cheerful: {
    surge: ["{count} positions flushed! Leverage is resetting, that is healthy."],
    large: ["Ouch, {large} of {symbol}. Chin up, whoever you are!", "{large} {symbol} just went on sale."],
    mover: ["{mover} at {price}, {change}. I have a good feeling."],
    quiet: ["Only {usd} in 10 s. Lovely calm market."],
  },
};

/** A bounded look at the market: at most some hundred documents, whatever the rate. */
export async function readFacts(ctx: QueryCtx, now: number): Promise<Facts> {
  const recent = await ctx.db
    .query("liquidations")
    .withIndex("by_created", (q) => q.gt("created_at", now - COMMENT_WINDOW_MS))
    .order("desc")
    .take(COMMENT_SCAN_MAX);
  const prices = await ctx.db.query("prices").withIndex("by_symbol").take(PRICES_SHOWN_MAX);
  const largest = maxBy(recent, (one) => one.usd_value);
  const mover = maxBy(prices, (price) => Math.abs(price.change_24h));
  return { largest, mover, ...paceOf(await readPulse(ctx), now) };
}

/** The sums of the last ten seconds up to now, and how they compare with the rest of the minute. */
export function paceOf(pulse: Pulse, now: number): Pick<Facts, "count" | "usdValue" | "surge"> {
  const isNow = (index: number) =>
    pulse.second - (pulse.usd_value.length - 1 - index) * 1_000 > now - COMMENT_WINDOW_MS;
  const nowSeconds = pulse.usd_value.filter((_, index) => isNow(index));
  const before = pulse.usd_value.filter((_, index) => !isNow(index)).filter((usd) => usd > 0);
  const usdValue = sum(nowSeconds);
  const usualPace = before.length === 0 ? 0 : sum(before) / before.length;
  const pace = nowSeconds.length === 0 ? 0 : usdValue / nowSeconds.length;
  return {
    count: sum(pulse.liquidations.filter((_, index) => isNow(index))),
    usdValue,
    surge: usualPace === 0 ? 1 : pace / usualPace,
  };
}

/** What an agent of this persona says to the facts; null when nothing has happened. `chance`: from 0 to below 1. */
export function composeComment(persona: string, facts: Facts, chance: number): Comment | null {
  const voice = voices[/^[a-z]+/.exec(persona)?.[0] ?? ""] ?? (voices["clerk"] as Voice);
  const { largest, mover } = facts;
  // Every third word or so is about prices, else the chat would know one subject only.
  const aboutPrices = mover !== null && (facts.count === 0 || chance * 3 < 1);
  if (!aboutPrices && facts.count === 0) return null;
  const kind = aboutPrices
    ? "mover"
    : facts.surge >= SURGE
      ? "surge"
      : (largest?.usd_value ?? 0) >= LARGE_USD
        ? "large"
        : "quiet";
  const templates = voice[kind];
  const template = templates[Math.floor(chance * 1_000) % templates.length] as string;
  const words: Readonly<Record<string, string>> = {
    usd: shortUsd(facts.usdValue),
    count: String(facts.count),
    surge: facts.surge.toFixed(1),
    symbol: largest?.collateral_type ?? "the market",
    large: shortUsd(largest?.usd_value ?? 0),
    mover: mover?.symbol ?? "",
    price: mover === null ? "" : priceText(mover.price_usd),
    change: mover === null ? "" : `${mover.change_24h >= 0 ? "+" : ""}${mover.change_24h.toFixed(2)} %`,
  };
  return {
    content: template.replace(/\{(\w+)\}/g, (_, word: string) => words[word] ?? ""),
    message_type: aboutPrices ? "trade" : "liquidation",
  };
}

/** At least two decimals, and enough of them to see a price like 0.0000204. */
function priceText(usd: number): string {
  const decimals = usd <= 0 ? 2 : Math.min(10, Math.max(2, 3 - Math.floor(Math.log10(usd))));
  return `$${usd.toFixed(decimals)}`;
}

function shortUsd(usd: number): string {
  if (usd >= 1e9) return `$${(usd / 1e9).toFixed(2)}B`;
  if (usd >= 1e6) return `$${(usd / 1e6).toFixed(2)}M`;
  if (usd >= 1e3) return `$${(usd / 1e3).toFixed(1)}K`;
  return `$${usd.toFixed(0)}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function maxBy<T>(list: readonly T[], value: (one: T) => number): T | null {
  let best: T | null = null;
  for (const one of list) if (best === null || value(one) > value(best)) best = one;
  return best;
}
