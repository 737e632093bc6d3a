import { chatFilters, minUsdSteps, panels, type WatchState } from "./model.ts";

export type Command =
  | "quit"
  | "help"
  | "chat"
  | "symbol"
  | "symbolBack"
  | "size"
  | "pause"
  | "voices"
  | "panel"
  | "panelBack"
  | "up"
  | "down"
  | "pageUp"
  | "pageDown"
  | "newest"
  | "clear"
  | "prices"
  | "liquidations"
  | "chatPanel";

export interface KeyHelp {
  readonly keys: string;
  readonly text: string;
  /** In the line at the bottom; the rest is behind `?`. */
  readonly short?: string;
}

export const keyHelp: readonly KeyHelp[] = [
  { keys: "?", text: "show or hide this help", short: "help" },
  { keys: "f F", text: "only one symbol: next, previous", short: "symbol" },
  { keys: "m", text: "only from $10K, $100K, $1M on", short: "size" },
  { keys: "space", text: "hold the tape, and let it run again", short: "pause" },
  { keys: "enter", text: "write in the chat; esc gives up", short: "chat" },
  { keys: "v", text: "chat of all, of people, of agents", short: "voices" },
  { keys: "tab 1 2 3", text: "next panel; prices, liquidations, chat", short: "panel" },
  { keys: "↑ ↓ pgup pgdn", text: "scroll through the tape (and hold it)" },
  { keys: "g", text: "back to the newest, and let it run" },
  { keys: "esc", text: "no filters" },
  { keys: "q ctrl-c", text: "quit", short: "quit" },
];

interface Key {
  readonly tab?: boolean;
  readonly shift?: boolean;
  readonly return?: boolean;
  readonly escape?: boolean;
  readonly upArrow?: boolean;
  readonly downArrow?: boolean;
  readonly pageUp?: boolean;
  readonly pageDown?: boolean;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
}

const letters: ReadonlyMap<string, Command> = new Map(
  Object.entries<Command>({
    q: "quit",
    "?": "help",
    h: "help",
    f: "symbol",
    F: "symbolBack",
    m: "size",
    " ": "pause",
    p: "pause",
    v: "voices",
    "/": "chat",
    k: "up",
    j: "down",
    g: "newest",
    "1": "prices",
    "2": "liquidations",
    "3": "chatPanel",
  }),
);

/** What a key means while no line is being typed. */
export function commandOf(input: string, key: Key): Command | null {
  if (key.ctrl === true || key.meta === true) return null;
  if (key.tab === true) return key.shift === true ? "panelBack" : "panel";
  if (key.return === true) return "chat";
  if (key.escape === true) return "clear";
  if (key.upArrow === true) return "up";
  if (key.downArrow === true) return "down";
  if (key.pageUp === true) return "pageUp";
  if (key.pageDown === true) return "pageDown";
  return letters.get(input) ?? null;
}

/** The state after a command; `pageRows` is how far a page goes. Quitting is not the state's affair. */
export function applyCommand(state: WatchState, command: Command, pageRows: number): Partial<WatchState> {
  switch (command) {
    case "quit":
      return {};
    case "help":
      return { isHelpShown: !state.isHelpShown };
    case "chat":
      return { draft: "", panel: "chat", isHelpShown: false };
    case "symbol":
      return { symbol: nextSymbol(state, 1) };
    case "symbolBack":
      return { symbol: nextSymbol(state, -1) };
    case "size":
      return { minUsd: next(minUsdSteps, state.minUsd, 1) };
    case "pause":
      return state.pausedTape === null ? { pausedTape: state.tape } : { pausedTape: null, scroll: 0 };
    case "voices":
      return { chatFilter: next(chatFilters, state.chatFilter, 1) };
    case "panel":
      return { panel: next(panels, state.panel, 1) };
    case "panelBack":
      return { panel: next(panels, state.panel, -1) };
    case "prices":
      return { panel: "prices" };
    case "liquidations":
      return { panel: "liquidations" };
    case "chatPanel":
      return { panel: "chat" };
    case "up":
      return scrolled(state, -1);
    case "down":
      return scrolled(state, 1);
    case "pageUp":
      return scrolled(state, -pageRows);
    case "pageDown":
      return scrolled(state, pageRows);
    case "newest":
      return { pausedTape: null, scroll: 0 };
    case "clear":
      return { symbol: null, minUsd: 0, chatFilter: "all", isHelpShown: false };
  }
}

/** Scrolling holds the tape, else what one reads would run away. */
function scrolled(state: WatchState, rows: number): Partial<WatchState> {
  if (rows < 0 && state.pausedTape === null) return {};
  const pausedTape = state.pausedTape ?? state.tape;
  return { pausedTape, scroll: Math.max(0, Math.min(state.scroll + rows, pausedTape.length - 1)) };
}

function nextSymbol(state: WatchState, step: 1 | -1): string | null {
  const choices = [null, ...state.prices.map((price) => price.symbol)];
  return next(choices, state.symbol, step);
}

function next<T>(choices: readonly T[], current: T, step: 1 | -1): T {
  const position = choices.indexOf(current);
  return choices[(position + step + choices.length) % choices.length] as T;
}
