import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UserError } from "../shared/errors.ts";

/** What a market says. It has no time yet: the feeder stamps it when it is due. */
export type MarketEvent =
  | {
      readonly type: "price";
      readonly symbol: string;
      readonly price_usd: number;
      readonly change_24h: number;
    }
  | {
      readonly type: "liquidation";
      readonly address: string;
      readonly collateral_type: string;
      readonly collateral_amount: string;
      readonly usd_value: number;
      readonly tx_hash: string;
    };

/** An endless row of events that is asked for the next ones; it makes none by itself. */
export interface MarketSource {
  next(): MarketEvent;
}

const RECORDED_EVENTS_MAX = 1_000_000;

/** Replays a recording (one JSON object per line, as `watch --json` prints them) over and over. */
export class RecordedMarket implements MarketSource {
  readonly #events: readonly MarketEvent[];
  #position = 0;

  constructor(events: readonly MarketEvent[]) {
    if (events.length === 0)
      throw new UserError("The recording holds no prices and no liquidations: there is nothing to replay.");
    this.#events = events;
  }

  static async read(file: string): Promise<RecordedMarket> {
    const events: MarketEvent[] = [];
    let lineNumber = 0;
    try {
      for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
        lineNumber++;
        if (line.trim() === "") continue;
        const event = parseEvent(line, `${file}:${lineNumber}`);
        if (event !== null) events.push(event);
        if (events.length > RECORDED_EVENTS_MAX)
          throw new UserError(`${file} holds more than ${RECORDED_EVENTS_MAX} events. Cut it.`);
      }
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`The recording cannot be read: ${(error as Error).message}`);
    }
    return new RecordedMarket(events);
  }

  next(): MarketEvent {
    const event = this.#events[this.#position] as MarketEvent;
    this.#position = (this.#position + 1) % this.#events.length;
    return event;
  }
}

/** Null for the other lines of a recording (chat, connection). */
function parseEvent(line: string, where: string): MarketEvent | null {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    throw new UserError(`${where}: this line is not JSON.`);
  }
  const text = (field: string): string => {
    const found = value[field];
    if (typeof found !== "string") throw new UserError(`${where}: ${field} must be a text.`);
    return found;
  };
  const number = (field: string): number => {
    const found = value[field];
    if (typeof found !== "number") throw new UserError(`${where}: ${field} must be a number.`);
    return found;
  };
  switch (value["type"]) {
    case "price":
      return {
        type: "price",
        symbol: text("symbol"),
        price_usd: number("price_usd"),
        change_24h: number("change_24h"),
      };
    case "liquidation":
      return {
        type: "liquidation",
        address: text("address"),
        collateral_type: text("collateral_type"),
        collateral_amount: text("collateral_amount"),
        usd_value: number("usd_value"),
        tx_hash: text("tx_hash"),
      };
    default:
      return null;
  }
}
