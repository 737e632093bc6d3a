import { Box, Text } from "ink";
import { type WatchState, ratesOf } from "../state/model.ts";
import { countText, shortUsd, sparkline } from "../shared/format.ts";
import { useGlyphs } from "./parts.tsx";

/** When the newest event is older than this, nothing is coming at all. */
const QUIET_MS = 3_000;

export function Header({ state, width }: { readonly state: WatchState; readonly width: number }) {
  const title = width >= 60 ? " LIQUIDATION WATCH " : " WATCH ";
  return (
    <Box width={width} height={1} justifyContent="space-between" overflow="hidden">
      <Text wrap="truncate">
        <Text bold={true} inverse={true}>
          {title}
        </Text>
        {"  "}
        <ConnectionText state={state} />
      </Text>
      <Text wrap="truncate" dimColor={state.connection.status !== "live"}>
        {numbersOf(state, width)}
      </Text>
    </Box>
  );
}

function ConnectionText({ state }: { readonly state: WatchState }) {
  const { dot, hollow } = useGlyphs();
  const { connection, nowMs } = state;
  const seconds = Math.max(0, Math.round((nowMs - connection.sinceMs) / 1_000));
  if (connection.status === "live") {
    const again = connection.reconnects > 0 && seconds < 10 ? " again" : "";
    return <Text color="green">{`${dot} live${again}`}</Text>;
  }
  const what = connection.status === "connecting" ? "connecting" : "reconnecting";
  const attempts = connection.attempts > 0 ? `, attempt ${connection.attempts + 1}` : "";
  return <Text color="yellow" bold={true}>{`${hollow} ${what} ${seconds} s${attempts}`}</Text>;
}

function numbersOf(state: WatchState, width: number): string {
  if (state.pulse === null || state.pulse.second === 0) return "";
  const ageMs = state.nowMs - state.pulse.second;
  // The rates are those of the last seconds that had events: they say nothing about now.
  if (ageMs > QUIET_MS) return `last event ${countText(ageMs / 1_000)} s ago `;
  const rates = ratesOf(state.pulse);
  const late = state.lagMs === null ? "" : `lag ${countText(state.lagMs)} ms`;
  const parts = [
    `${countText(rates.events)} ev/s`,
    ...(width >= 80 ? [`${countText(rates.liquidations)} liq/s`] : []),
    ...(width >= 60 ? [`${shortUsd(rates.usdPerMinute)}/min`] : []),
    ...(width >= 90 ? [late] : []),
  ];
  return `${parts.filter((part) => part !== "").join("   ")} `;
}

/** The value liquidated in each second of the last minute. */
export function Flow({ state, width }: { readonly state: WatchState; readonly width: number }) {
  const glyphs = useGlyphs();
  // Without the second that is not over yet: it would always look like a fall.
  const usd = state.pulse?.usd_value.slice(0, -1) ?? [];
  const peak = `peak ${shortUsd(Math.max(...usd, 0))}/s `;
  const label = width >= 60 ? " liquidated per second " : " $/s ";
  const room = Math.max(0, width - label.length - peak.length - 1);
  if (usd.length === 0) return <Text> </Text>;
  // Wide terminals draw each second several cells wide.
  const cells = Math.max(1, Math.floor(room / usd.length));
  const stretched = usd.flatMap((value) => Array.from({ length: cells }, () => value));
  return (
    <Text wrap="truncate">
      <Text dimColor={true}>{label}</Text>
      <Text color="red">{sparkline(stretched, room, glyphs)}</Text>
      <Text dimColor={true}>{` ${peak}`}</Text>
    </Text>
  );
}
