import { Box, Text, useApp, useInput, usePaste, useStdin, useWindowSize } from "ink";
import { useSyncExternalStore } from "react";
import { applyCommand, commandOf } from "../state/commands.ts";
import type { WatchState } from "../state/model.ts";
import type { WatchStore } from "../state/watchStore.ts";
import type { Glyphs } from "../shared/format.ts";
import { ChatPanel } from "./chatPanel.tsx";
import { Footer, Help } from "./footer.tsx";
import { Flow, Header } from "./header.tsx";
import { FRAME_ROWS, GAP, type Layout, layoutOf } from "./layout.ts";
import { LiquidationsPanel } from "./liquidationsPanel.tsx";
import { GlyphsContext } from "./parts.tsx";
import { LeadersPanel, PricesPanel } from "./pricesPanel.tsx";

const DRAFT_CHARS_MAX = 500;

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
        <Text wrap="truncate">{`Too small: ${columns}x${rows}`}</Text>
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
    case "single": {
      const area = layout.area;
      if (layout.panel === "prices") return <PricesPanel state={state} area={area} isActive={true} />;
      if (layout.panel === "chat") return <ChatPanel state={state} area={area} isActive={true} />;
      return <LiquidationsPanel state={state} area={area} isActive={true} />;
    }
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

function useKeys(store: WatchStore, pageRows: number, onSay: AppProps["onSay"], onFilter: () => void): void {
  const { exit } = useApp();
  const { isRawModeSupported } = useStdin();
  const type = (text: string) => {
    const draft = store.current.draft;
    if (draft === null) return;
    const printable = text.replace(/[\p{Cc}\p{Cf}]+/gu, " ");
    store.update({
      draft: Array.from(draft + printable)
        .slice(0, DRAFT_CHARS_MAX)
        .join(""),
    });
  };
  usePaste(type, { isActive: isRawModeSupported });
  useInput(
    (input, key) => {
      const state = store.current;
      if (key.ctrl && input === "c") {
        exit();
        return;
      }
      if (state.draft !== null) {
        if (key.escape) store.update({ draft: null });
        else if (key.return) {
          const content = state.draft.trim();
          store.update({ draft: null });
          if (content !== "") onSay(content);
        } else if (key.backspace || key.delete)
          store.update({ draft: Array.from(state.draft).slice(0, -1).join("") });
        else if (key.ctrl && input === "u") store.update({ draft: "" });
        else if (!key.ctrl && !key.meta && !key.tab && !isArrow(key)) type(input);
        return;
      }
      const command = commandOf(input, key);
      if (command === null) return;
      if (command === "quit") {
        exit();
        return;
      }
      store.update(applyCommand(state, command, pageRows));
      if (store.current.symbol !== state.symbol || store.current.minUsd !== state.minUsd) onFilter();
    },
    { isActive: isRawModeSupported },
  );
}

function isArrow(key: {
  upArrow: boolean;
  downArrow: boolean;
  leftArrow: boolean;
  rightArrow: boolean;
}): boolean {
  return key.upArrow || key.downArrow || key.leftArrow || key.rightArrow;
}
