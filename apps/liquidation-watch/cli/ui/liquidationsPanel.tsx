import { Text } from "ink";
import type { Liquidation, WatchState } from "../state/model.ts";
import { amountText, clockText, countText, fit, shortHex, shortUsd } from "../shared/format.ts";
import type { Area } from "./layout.ts";
import { Nothing, Panel, useGlyphs } from "./parts.tsx";

/** From these sizes on a row stands out. */
const LARGE_USD = 100_000;
const HUGE_USD = 1_000_000;

export function LiquidationsPanel(props: {
  readonly state: WatchState;
  readonly area: Area;
  readonly isActive: boolean;
}) {
  const { state, area, isActive } = props;
  const tape = state.pausedTape ?? state.tape;
  const rows = tape.slice(state.scroll, state.scroll + area.height - 1);
  return (
    <Panel area={area} title="Liquidations" isActive={isActive} note={noteOf(state)}>
      {rows.length === 0 ? <Nothing area={area} text={emptyText(state)} /> : null}
      {rows.map((one) => (
        <LiquidationRow key={one._id} one={one} width={area.width} />
      ))}
    </Panel>
  );
}

function LiquidationRow({ one, width }: { readonly one: Liquidation; readonly width: number }) {
  const glyphs = useGlyphs();
  const { usd_value: usd } = one;
  const style = usd >= HUGE_USD ? { color: "red", bold: true } : usd >= LARGE_USD ? { color: "yellow" } : {};
  // One mark for each power of ten from $1,000 on, so that the size can be seen without reading.
  const marks = Math.max(0, Math.min(5, Math.floor(Math.log10(Math.max(1, usd))) - 2));
  return (
    <Text wrap="truncate">
      <Text dimColor={true}>{` ${clockText(one.created_at)} `}</Text>
      <Text bold={true}>{fit(one.collateral_type, 6)}</Text>
      <Text {...style}>{fit(shortUsd(usd), 8, "right")}</Text>
      {width >= 32 ? <Text color="red">{` ${fit(glyphs.bar.repeat(marks), 5)} `}</Text> : null}
      {width >= 42 ? fit(amountText(one.collateral_amount), 11, "right") : null}
      {width >= 56 ? <Text dimColor={true}>{`  ${shortHex(one.address, glyphs)}`}</Text> : null}
      {width >= 72 ? <Text dimColor={true}>{`  tx ${shortHex(one.tx_hash, glyphs)}`}</Text> : null}
    </Text>
  );
}

function noteOf(state: WatchState): string {
  const parts: string[] = [];
  if (state.symbol !== null) parts.push(state.symbol);
  if (state.minUsd > 0) parts.push(`from ${shortUsd(state.minUsd)}`);
  if (state.pausedTape !== null) {
    const newest = state.pausedTape[0];
    const missed =
      newest === undefined ? state.tape.length : state.tape.findIndex((one) => one._id === newest._id);
    parts.push(`paused, ${missed < 0 ? `${countText(state.tape.length)}+` : countText(missed)} newer`);
  }
  return parts.join(", ");
}

function emptyText(state: WatchState): string {
  if (state.connection.status === "connecting") return "Connecting ...";
  return state.symbol !== null || state.minUsd > 0
    ? "None that match. esc clears the filters."
    : "None yet. Start a feeder: npm run feed";
}
