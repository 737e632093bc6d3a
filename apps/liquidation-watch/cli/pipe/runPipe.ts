import { setTimeout as sleep } from "node:timers/promises";
import { api } from "../../convex/_generated/api.js";
import { closeConvexClient, getConvexClient } from "../services/convex/index.ts";
import type { Liquidation, Message, Price } from "../state/model.ts";
import { connectionOf } from "../state/subscriptions.ts";
import { type PipeEvent, jsonLine, plainLine } from "./lines.ts";
import { LineOutput } from "./output.ts";

const PAGE_LIQUIDATIONS = 500;
const MESSAGES_ASKED = 30;
const CLOSE_MAX_MS = 1_000;

export interface PipeOptions {
  readonly isJson: boolean;
  readonly symbol: string | null;
  readonly minUsd: number;
  /** Liquidations of the past to begin with. */
  readonly last: number;
  /** Of every symbol one price in this time; 0: no prices. */
  readonly pricesEveryMs: number;
  /** Ends by itself after this time; null: when told to. */
  readonly forMs: number | null;
}

/**
 * Prints one line per event to stdout. Every liquidation is printed once, in order, however fast they come: a live query
 * says that there are more, and they are read page by page, the next page when the reader of the pipe has taken the last.
 * Connection states go to stderr.
 */
export async function runPipe(options: PipeOptions): Promise<void> {
  const client = getConvexClient();
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  const output = new LineOutput(process.stdout, end);
  const line = options.isJson ? jsonLine : plainLine;
  const print = (events: readonly PipeEvent[]) => output.write(events.map(line));
  const tail = new LiquidationTail(print, options);
  const messages = new NewMessages(options.last);
  const prices = new PriceSampler(options);

  let connection = {
    status: "connecting",
    attempts: 0,
    sinceMs: Date.now(),
    reconnects: 0,
  } as const as ReturnType<typeof connectionOf>;
  const open = [
    client.subscribeToConnectionState((state) => {
      const next = connectionOf(state, connection, Date.now());
      if (next.status !== connection.status)
        process.stderr.write(`${line({ type: "connection", status: next.status, at: Date.now() })}\n`);
      connection = next;
    }),
    client.onUpdate(
      api.liquidations.newest,
      {},
      (newest) => void tail.advance(newest).catch(ended.reject),
      ended.reject,
    ),
    client.onUpdate(
      api.messages.list,
      { limit: MESSAGES_ASKED },
      (list) => void print(messages.take(list).map((one) => ({ type: "message", ...one }))),
      ended.reject,
    ),
  ];
  if (options.pricesEveryMs > 0)
    open.push(
      client.onUpdate(
        api.prices.list,
        {},
        (list) => void print(prices.take(list, Date.now()).map((one) => ({ type: "price", ...one }))),
        ended.reject,
      ),
    );
  const timer = options.forMs === null ? null : setTimeout(end, options.forMs);
  try {
    await ended.promise;
  } finally {
    if (timer !== null) clearTimeout(timer);
    for (const close of open) close();
    // The page that is being read is printed to its end.
    await Promise.race([tail.stop(), sleep(CLOSE_MAX_MS)]);
    await Promise.race([closeConvexClient(), sleep(CLOSE_MAX_MS)]);
  }
}

/** Reads what is new, one page after the other, never two at once. */
class LiquidationTail {
  readonly #print: (events: readonly PipeEvent[]) => Promise<void>;
  readonly #options: PipeOptions;
  #newest = 0;
  #position: number | null = null;
  #reading: Promise<void> | null = null;
  #isStopped = false;

  constructor(print: (events: readonly PipeEvent[]) => Promise<void>, options: PipeOptions) {
    this.#print = print;
    this.#options = options;
  }

  async advance(newest: number): Promise<void> {
    this.#newest = newest;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#reading;
  }

  async #read(): Promise<void> {
    const client = getConvexClient();
    let position = this.#position ?? (await this.#showPast());
    while (!this.#isStopped && position < this.#newest) {
      const page: readonly Liquidation[] = await client.query(api.liquidations.since, {
        after: position,
        limit: PAGE_LIQUIDATIONS,
      });
      const last = page.at(-1);
      if (last === undefined) return;
      await this.#show(page);
      position = this.#position = last._creationTime;
    }
  }

  /** The last ones before the start, the oldest first. Returns where to go on: none is shown twice, none left out. */
  async #showPast(): Promise<number> {
    const { last, symbol, minUsd } = this.#options;
    this.#position = this.#newest;
    if (last === 0) return this.#position;
    const found = await getConvexClient().query(api.liquidations.recent, {
      limit: last,
      ...(symbol === null ? {} : { symbol }),
      ...(minUsd === 0 ? {} : { min_usd: minUsd }),
    });
    await this.#show(found.reverse());
    this.#position = found.reduce((latest, one) => Math.max(latest, one._creationTime), this.#position);
    return this.#position;
  }

  async #show(page: readonly Liquidation[]): Promise<void> {
    const { symbol, minUsd } = this.#options;
    await this.#print(
      page
        .filter((one) => (symbol === null || one.collateral_type === symbol) && one.usd_value >= minUsd)
        .map((one) => ({ type: "liquidation", ...one })),
    );
  }
}

/** Of a list that is sent again and again, what has not been seen. */
class NewMessages {
  #seen: ReadonlySet<string> | null = null;
  readonly #last: number;

  constructor(last: number) {
    this.#last = last;
  }

  take(list: readonly Message[]): readonly Message[] {
    const seen = this.#seen;
    this.#seen = new Set(list.map((one) => one._id));
    if (seen !== null) return list.filter((one) => !seen.has(one._id));
    return this.#last === 0 ? [] : list.slice(-this.#last);
  }
}

/** Of each symbol at most one price in a while. */
class PriceSampler {
  readonly #options: PipeOptions;
  readonly #lastMs = new Map<string, number>();

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  take(list: readonly Price[], nowMs: number): readonly Price[] {
    const { symbol, pricesEveryMs } = this.#options;
    return list.filter((price) => {
      if (symbol !== null && price.symbol !== symbol) return false;
      const last = this.#lastMs.get(price.symbol);
      if (last !== undefined && nowMs - last < pricesEveryMs) return false;
      this.#lastMs.set(price.symbol, nowMs);
      return true;
    });
  }
}
