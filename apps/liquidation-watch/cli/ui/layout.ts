import type { Panel } from "../state/model.ts";

export interface Area {
  readonly width: number;
  readonly height: number;
}

/** Where each panel goes. Together with two lines above and one below, the areas fill the terminal exactly. */
export type Layout =
  | { readonly kind: "tooSmall" }
  /** One panel at a time. */
  | { readonly kind: "single"; readonly panel: Panel; readonly area: Area }
  /** Prices and liquidations beside each other, the chat below. */
  | { readonly kind: "stacked"; readonly prices: Area; readonly liquidations: Area; readonly chat: Area }
  /** Three columns; `leaders` is below the prices where there is room, else null. */
  | {
      readonly kind: "wide";
      readonly prices: Area;
      readonly leaders: Area | null;
      readonly liquidations: Area;
      readonly chat: Area;
    };

export const COLUMNS_MIN = 30;
export const ROWS_MIN = 8;
/** Header, flow and the line of keys. */
export const FRAME_ROWS = 3;
/** Between columns. */
export const GAP = 2;

export function layoutOf(columns: number, rows: number, panel: Panel, symbols: number): Layout {
  if (columns < COLUMNS_MIN || rows < ROWS_MIN) return { kind: "tooSmall" };
  const height = rows - FRAME_ROWS;
  if (columns >= 110 && height >= 12) {
    const left = columns >= 150 ? 44 : 34;
    const right = Math.min(60, Math.floor(columns * 0.32));
    const pricesHeight = Math.min(symbols + 1, height);
    const leadersHeight = height - pricesHeight;
    return {
      kind: "wide",
      prices: { width: left, height: leadersHeight >= 4 ? pricesHeight : height },
      leaders: leadersHeight >= 4 ? { width: left, height: leadersHeight } : null,
      liquidations: { width: columns - left - right - 2 * GAP, height },
      chat: { width: right, height },
    };
  }
  if (columns >= 72 && height >= 14) {
    const chatHeight = Math.max(5, Math.floor(height * 0.34));
    const left = columns >= 90 ? 34 : 28;
    return {
      kind: "stacked",
      prices: { width: left, height: height - chatHeight },
      liquidations: { width: columns - left - GAP, height: height - chatHeight },
      chat: { width: columns, height: chatHeight },
    };
  }
  return { kind: "single", panel, area: { width: columns, height } };
}
