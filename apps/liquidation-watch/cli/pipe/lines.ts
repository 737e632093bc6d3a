import type { Liquidation, Message, Price } from "../state/model.ts";
import { changeText, fit, fullUsd, priceText } from "../shared/format.ts";

/** What the pipe mode prints, one line each. */
export type PipeEvent =
  | ({ readonly type: "liquidation" } & Liquidation)
  | ({ readonly type: "price" } & Price)
  | ({ readonly type: "message" } & Message)
  | { readonly type: "connection"; readonly status: string; readonly at: number };

/** JSON that a feeder can replay (`feed --file`). */
export function jsonLine(event: PipeEvent): string {
  return JSON.stringify(event);
}

/** For people and grep: time, kind, what; columns that stay where they are. */
export function plainLine(event: PipeEvent): string {
  switch (event.type) {
    case "liquidation":
      return [
        isoTime(event.created_at),
        "LIQ  ",
        fit(event.collateral_type, 6),
        fit(fullUsd(event.usd_value), 15, "right"),
        fit(event.collateral_amount, 14, "right"),
        event.address,
        `tx=${event.tx_hash}`,
      ].join(" ");
    case "price":
      return [
        isoTime(event.updated_at),
        "PRICE",
        fit(event.symbol, 6),
        fit(`$${priceText(event.price_usd)}`, 15, "right"),
        fit(changeText(event.change_24h), 14, "right"),
      ].join(" ");
    case "message":
      return `${isoTime(event.created_at)} CHAT  ${event.author}${event.is_agent ? " (agent)" : ""}: ${event.content}`;
    case "connection":
      return `${isoTime(event.at)} CONN  ${event.status}`;
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
