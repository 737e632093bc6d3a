import type { FunctionReturnType } from "convex/server";
import type { api } from "../../convex/_generated/api.js";

export type Price = FunctionReturnType<typeof api.prices.list>[number];
export type Liquidation = FunctionReturnType<typeof api.liquidations.recent>[number];
export type Message = FunctionReturnType<typeof api.messages.list>[number];
export type Pulse = FunctionReturnType<typeof api.market.pulse>;
export type Leader = FunctionReturnType<typeof api.market.leaders>[number];

export type Panel = "prices" | "liquidations" | "chat";
export const panels: readonly Panel[] = ["prices", "liquidations", "chat"];
type ChatFilter = "all" | "people" | "agents";
export const chatFilters: readonly ChatFilter[] = ["all", "people", "agents"];
export const minUsdSteps: readonly number[] = [0, 10_000, 100_000, 1_000_000];

/** Liquidations a terminal keeps to scroll through. */
export const TAPE_MAX = 400;
/** Prices of the past of one symbol, one per second. */
export const TREND_MAX = 60;

export interface Connection {
  readonly status: "connecting" | "live" | "reconnecting";
  /** Failed attempts since the connection was lost. */
  readonly attempts: number;
  readonly sinceMs: number;
  /** How often it has been connected before. */
  readonly reconnects: number;
}

/** Everything a frame is drawn from. Never changed in place. */
export interface WatchState {
  readonly nowMs: number;
  readonly connection: Connection;
  readonly prices: readonly Price[];
  readonly trends: ReadonlyMap<string, readonly number[]>;
  /** The newest first. */
  readonly tape: readonly Liquidation[];
  /** The tape as it was when it was paused. */
  readonly pausedTape: readonly Liquidation[] | null;
  readonly scroll: number;
  readonly pulse: Pulse | null;
  readonly leaders: readonly Leader[];
  readonly messages: readonly Message[];
  /** Said here and not yet confirmed. */
  readonly unsent: readonly string[];
  /** How old the newest price was when it arrived; null before the first one. */
  readonly lagMs: number | null;
  readonly symbol: string | null;
  readonly minUsd: number;
  readonly chatFilter: ChatFilter;
  readonly panel: Panel;
  readonly isHelpShown: boolean;
  /** The line being typed; null when keys are commands. */
  readonly draft: string | null;
  /** One line for the user, until `untilMs`. */
  readonly notice: { readonly text: string; readonly isError: boolean; readonly untilMs: number } | null;
}

export function initialState(nowMs: number, symbol: string | null, minUsd: number): WatchState {
  return {
    nowMs,
    connection: { status: "connecting", attempts: 0, sinceMs: nowMs, reconnects: 0 },
    prices: [],
    trends: new Map(),
    tape: [],
    pausedTape: null,
    scroll: 0,
    pulse: null,
    leaders: [],
    messages: [],
    unsent: [],
    lagMs: null,
    symbol,
    minUsd,
    chatFilter: "all",
    panel: "liquidations",
    isHelpShown: false,
    draft: null,
    notice: null,
  };
}

/** The tape with what a query has found now: nothing twice, the newest first, at most TAPE_MAX. */
export function mergeTape(tape: readonly Liquidation[], found: readonly Liquidation[]): Liquidation[] {
  const known = new Set(tape.map((one) => one._id));
  const fresh = found.filter((one) => !known.has(one._id));
  if (fresh.length === 0) return tape as Liquidation[];
  return [...fresh, ...tape]
    .sort((a, b) => b.created_at - a.created_at || b._creationTime - a._creationTime)
    .slice(0, TAPE_MAX);
}

/** Adds the prices of this second to the trends. */
export function extendTrends(
  trends: WatchState["trends"],
  prices: readonly Price[],
): ReadonlyMap<string, readonly number[]> {
  return new Map(
    prices.map(({ symbol, price_usd }) => [
      symbol,
      [...(trends.get(symbol) ?? []), price_usd].slice(-TREND_MAX),
    ]),
  );
}

/** Events per second and liquidated value per minute, from the seconds that are over. */
export function ratesOf(pulse: Pulse): {
  readonly events: number;
  readonly liquidations: number;
  readonly usdPerMinute: number;
} {
  const seconds = 5;
  const last = (values: readonly number[]) => values.slice(-seconds - 1, -1);
  const liquidations = sum(last(pulse.liquidations)) / seconds;
  return {
    events: sum(last(pulse.ticks)) / seconds + liquidations,
    liquidations,
    usdPerMinute: sum(pulse.usd_value),
  };
}

export function shownMessages(state: WatchState): readonly Message[] {
  if (state.chatFilter === "all") return state.messages;
  return state.messages.filter((message) => message.is_agent === (state.chatFilter === "agents"));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
