import { Box, Text } from "ink";
import { keyHelp } from "../state/commands.ts";
import type { WatchState } from "../state/model.ts";
import { fit, wrapText } from "../shared/format.ts";
import type { Area } from "./layout.ts";
import { Panel } from "./parts.tsx";

/** The line being typed, or a notice, or the most important keys. */
export function Footer({ state, width }: { readonly state: WatchState; readonly width: number }) {
  if (state.draft !== null) return <Draft draft={state.draft} width={width} />;
  if (state.notice !== null)
    return (
      <Text wrap="truncate" bold={true} color={state.notice.isError ? "red" : "green"}>
        {fit(` ${state.notice.text}`, width)}
      </Text>
    );
  return (
    <Text wrap="truncate">
      {fittingKeys(width).map(({ keys, short }) => (
        <Text key={keys}>
          {" "}
          <Text bold={true}>{keys}</Text>
          <Text dimColor={true}>{` ${short ?? ""} `}</Text>
        </Text>
      ))}
    </Text>
  );
}

/** As many keys as the width has room for; `?` and `q` are always among them. */
function fittingKeys(width: number): typeof keyHelp {
  const shown = keyHelp
    .filter((one) => one.short !== undefined)
    .map((one) => ({ ...one, keys: one.keys.split(" ")[0] as string }));
  const widthOf = ({ keys, short = "" }: (typeof shown)[number]) => keys.length + short.length + 3;
  const must = shown.filter(({ keys }) => keys === "?" || keys === "q");
  let left = width - must.reduce((sum, one) => sum + widthOf(one), 0);
  return shown.filter((one) => {
    if (must.includes(one)) return true;
    left -= widthOf(one);
    return left >= 0;
  });
}

function Draft({ draft, width }: { readonly draft: string; readonly width: number }) {
  const room = Math.max(1, width - 10);
  // The end of a long line is what one is typing.
  const shown = wrapText(draft, room).at(-1) ?? "";
  return (
    <Text wrap="truncate">
      <Text bold={true} color="green">
        {" say: "}
      </Text>
      {shown}
      <Text inverse={true}> </Text>
    </Text>
  );
}

export function Help({ area }: { readonly area: Area }) {
  const keysWidth = Math.max(...keyHelp.map(({ keys }) => keys.length)) + 3;
  return (
    <Panel area={area} title="Keys">
      <Box flexDirection="column">
        {keyHelp.slice(0, area.height - 1).map(({ keys, text }) => (
          <Text key={keys} wrap="truncate">
            <Text bold={true}>{fit(`  ${keys}`, keysWidth)}</Text>
            {text}
          </Text>
        ))}
      </Box>
    </Panel>
  );
}
