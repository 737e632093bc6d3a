import { Box, type Key, Text, useApp, useInput, usePaste, useStdin, useWindowSize } from "ink";
import { useSyncExternalStore } from "react";
import { applyCommand, commandOf } from "../state/commands.ts";
import type { Panel, WatchState } from "../state/model.ts";
import { extendDraft, typeCharacter } from "../state/typing.ts";
import type { WatchStore } from "../state/watchStore.ts";
import type { Glyphs } from "../shared/format.ts";
import { ChatPanel } from "./chatPanel.tsx";
import { Footer, Help } from "./footer.tsx";
import { Flow, Header } from "./header.tsx";
import { COLUMNS_MIN, FRAME_ROWS, GAP, ROWS_MIN, type Area, type Layout, layoutOf } from "./layout.ts";
import { LiquidationsPanel } from "./liquidationsPanel.tsx";
import { GlyphsContext, TabsContext } from "./parts.tsx";
import { LeadersPanel, PricesPanel } from "./pricesPanel.tsx";

export interface AppProps {
  readonly store: WatchStore;
  readonly glyphs: Glyphs;
  readonly onSay: (content: string) => void;
  /** Filters have changed: the tape must be asked for anew. */
  readonly onFilter: () => void;
}

export function App({ store, glyphs, onSay, onFilter }: AppProps) {
  const state = useSyncExternalStore(store.subscribe, store.getSnapshot);
  const { columns, rows } = useWindowSize();
  const layout = layoutOf(columns, rows, state.panel, state.prices.length);
  useKeys(store, rows - FRAME_ROWS - 1, onSay, onFilter);
  if (layout.kind === "tooSmall")
    return (
      <Box width={columns} height={rows} overflow="hidden">
        <Text wrap="truncate">{`Too small: ${columns}x${rows}, ${COLUMNS_MIN}x${ROWS_MIN} is needed`}</Text>
      </Box>
    );
  return (
    <GlyphsContext value={glyphs}>
      <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
        <Header state={state} width={columns} />
        <Flow state={state} width={columns} />
        {state.isHelpShown ? (
          <Help area={{ width: columns, height: rows - FRAME_ROWS }} />
        ) : (
          <Body state={state} layout={layout} />
        )}
        <Footer state={state} width={columns} />
      </Box>
    </GlyphsContext>
  );
}

function Body({ state, layout }: { readonly state: WatchState; readonly layout: Layout }) {
  switch (layout.kind) {
    case "tooSmall":
      return null;
    case "single":
      return (
        <TabsContext value={titles}>
          <Single state={state} panel={layout.panel} area={layout.area} />
        </TabsContext>
      );
    case "stacked":
      return (
        <Box flexDirection="column">
          <Box columnGap={GAP}>
            <PricesPanel state={state} area={layout.prices} isActive={state.panel === "prices"} />
            <LiquidationsPanel
              state={state}
              area={layout.liquidations}
              isActive={state.panel === "liquidations"}
            />
          </Box>
          <ChatPanel state={state} area={layout.chat} isActive={state.panel === "chat"} />
        </Box>
      );
    case "wide":
      return (
        <Box columnGap={GAP}>
          <Box flexDirection="column">
            <PricesPanel state={state} area={layout.prices} isActive={state.panel === "prices"} />
            {layout.leaders === null ? null : <LeadersPanel leaders={state.leaders} area={layout.leaders} />}
          </Box>
          <LiquidationsPanel
            state={state}
            area={layout.liquidations}
            isActive={state.panel === "liquidations"}
          />
          <ChatPanel state={state} area={layout.chat} isActive={state.panel === "chat"} />
        </Box>
      );
  }
}

const titles = ["Prices", "Liquidations", "Chat"];

function Single({
  state,
  panel,
  area,
}: {
  readonly state: WatchState;
  readonly panel: Panel;
  readonly area: Area;
}) {
  switch (panel) {
    case "prices":
      return <PricesPanel state={state} area={area} isActive={true} />;
    case "liquidations":
      return <LiquidationsPanel state={state} area={area} isActive={true} />;
    case "chat":
      return <ChatPanel state={state} area={area} isActive={true} />;
  }
}

function useKeys(store: WatchStore, pageRows: number, onSay: AppProps["onSay"], onFilter: () => void): void {
  const { exit } = useApp();
  const { isRawModeSupported } = useStdin();
  usePaste(
    (text) => {
      const { draft } = store.current;
      if (draft !== null) store.update({ draft: extendDraft(draft, text) });
    },
    { isActive: isRawModeSupported },
  );
  useInput(
    (input, key) => {
      const { symbol, minUsd } = store.current;
      for (const pressed of keysOf(input, key)) {
        if (pressed.key.ctrl && pressed.input === "c") {
          exit();
          return;
        }
        const { draft } = store.current;
        if (draft === null) {
          const command = commandOf(pressed.input, pressed.key);
          if (command === "quit") {
            exit();
            return;
          }
          if (command !== null) store.update(applyCommand(store.current, command, pageRows));
          continue;
        }
        const typed = typeCharacter(draft, characterOf(pressed));
        store.update({ draft: typed.kind === "draft" ? typed.draft : null });
        if (typed.kind === "say" && typed.content !== "") onSay(typed.content);
      }
      if (store.current.symbol !== symbol || store.current.minUsd !== minUsd) onFilter();
    },
    { isActive: isRawModeSupported },
  );
}

interface Pressed {
  readonly input: string;
  readonly key: Partial<Key>;
}

/** Keys that are pressed fast arrive as one text, Enter and Tab among them as characters. */
function keysOf(input: string, key: Key): readonly Pressed[] {
  const characters = Array.from(input);
  if (characters.length <= 1) return [{ input, key }];
  return characters.map((character) => ({
    input: character,
    key: {
      return: character === "\r",
      tab: character === "\t",
      backspace: character === "\u007f" || character === "\b",
    },
  }));
}

/** The character behind a key while one writes; those without one change nothing. */
function characterOf({ input, key }: Pressed): string {
  if (key.return) return "\r";
  if (key.escape) return "\u001b";
  // Ink calls the key that sends 0x7f "delete".
  if (key.backspace || key.delete) return "\u007f";
  if (key.ctrl) return input === "u" ? "\u0015" : "";
  if (key.meta || key.tab) return "";
  return input;
}
