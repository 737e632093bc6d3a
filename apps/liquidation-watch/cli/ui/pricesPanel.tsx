import { Text } from "ink";
import type { Leader, Price, WatchState } from "../state/model.ts";
import { changeText, fit, priceText, shortUsd, trendline } from "../shared/format.ts";
import type { Area } from "./layout.ts";
import { Nothing, Panel, useGlyphs } from "./parts.tsx";

const SYMBOL_WIDTH = 6;
const PRICE_WIDTH = 11;
const CHANGE_WIDTH = 9;

export function PricesPanel(props: {
  readonly state: WatchState;
  readonly area: Area;
  readonly isActive: boolean;
}) {
  const { state, area, isActive } = props;
  const rows = state.prices.slice(0, area.height - 1);
  return (
    <Panel area={area} title="Prices" isActive={isActive} note={hidden(state.prices.length - rows.length)}>
      {rows.length === 0 ? <Nothing area={area} text="No prices yet." /> : null}
      {rows.map((price) => (
        <PriceRow
          key={price.symbol}
          price={price}
          trend={state.trends.get(price.symbol) ?? []}
          width={area.width}
          isChosen={price.symbol === state.symbol}
        />
      ))}
    </Panel>
  );
}

function PriceRow(props: {
  readonly price: Price;
  readonly trend: readonly number[];
  readonly width: number;
  readonly isChosen: boolean;
}) {
  const { price, trend, width, isChosen } = props;
  const glyphs = useGlyphs();
  const { change_24h: change } = price;
  const color = change > 0 ? "green" : change < 0 ? "red" : "gray";
  const sign = change > 0 ? glyphs.up : change < 0 ? glyphs.down : glyphs.flat;
  const trendWidth = Math.max(0, Math.min(24, width - SYMBOL_WIDTH - PRICE_WIDTH - CHANGE_WIDTH - 4));
  return (
    <Text wrap="truncate">
      <Text bold={true} inverse={isChosen}>
        {fit(` ${price.symbol}`, SYMBOL_WIDTH)}
      </Text>
      {fit(priceText(price.price_usd), PRICE_WIDTH, "right")}
      <Text color={color}>{` ${sign}${fit(changeText(change), CHANGE_WIDTH - 1, "right")}`}</Text>
      {trendWidth < 4 ? null : <Text color="cyan">{`  ${trendline(trend, trendWidth, glyphs)}`}</Text>}
    </Text>
  );
}

/** Who was liquidated most in the last five minutes. */
export function LeadersPanel({
  leaders,
  area,
}: {
  readonly leaders: readonly Leader[];
  readonly area: Area;
}) {
  const { bar } = useGlyphs();
  const rows = leaders.slice(0, area.height - 1);
  const most = rows[0]?.usd_value ?? 0;
  const barWidth = Math.max(0, area.width - 24);
  return (
    <Panel area={area} title="Liquidated, 5 min">
      {rows.length === 0 ? <Nothing area={area} text="Nothing yet." /> : null}
      {rows.map((leader) => (
        <Text key={leader.symbol} wrap="truncate">
          <Text bold={true}>{fit(` ${leader.symbol}`, SYMBOL_WIDTH)}</Text>
          {fit(shortUsd(leader.usd_value), 9, "right")}
          <Text dimColor={true}>{fit(`${leader.liquidations}x`, 7, "right")}</Text>
          <Text color="magenta">{`  ${bar.repeat(Math.round((leader.usd_value / (most || 1)) * barWidth))}`}</Text>
        </Text>
      ))}
    </Panel>
  );
}

function hidden(count: number): string {
  return count > 0 ? `${count} more` : "";
}
