import { useEffect, useRef } from "react";

// Keyboard shortcuts. Those with Alt go by the place of the key, because Alt makes other letters of it on many
// keyboards.

export interface Shortcut {
  readonly name: ShortcutName;
  readonly keys: readonly string[];
  readonly does: string;
}

export type ShortcutName =
  | "search"
  | "newChat"
  | "previousChat"
  | "nextChat"
  | "share"
  | "settings"
  | "assistant"
  | "files"
  | "theme"
  | "help";

const isMac = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.userAgent);
const alt = isMac ? "⌥" : "Alt";

export const shortcuts: readonly Shortcut[] = [
  { name: "search", keys: [isMac ? "⌘" : "Ctrl", "K"], does: "Search" },
  { name: "newChat", keys: [alt, "N"], does: "New chat" },
  { name: "previousChat", keys: [alt, "↑"], does: "Chat above" },
  { name: "nextChat", keys: [alt, "↓"], does: "Chat below" },
  { name: "assistant", keys: [alt, "A"], does: "Assistant on or off" },
  { name: "share", keys: [alt, "S"], does: "Share this chat" },
  { name: "settings", keys: [alt, "E"], does: "Settings of this chat" },
  { name: "files", keys: [alt, "F"], does: "Files of this chat" },
  { name: "theme", keys: [alt, "T"], does: "Light, dark, as the system" },
  { name: "help", keys: ["?"], does: "This list" },
];

const byCode: Readonly<Record<string, ShortcutName>> = {
  KeyN: "newChat",
  ArrowUp: "previousChat",
  ArrowDown: "nextChat",
  KeyA: "assistant",
  KeyS: "share",
  KeyE: "settings",
  KeyF: "files",
  KeyT: "theme",
};

type KeyPress = Pick<KeyboardEvent, "key" | "code" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey">;

/** Which shortcut a key press is; null: none. */
export function shortcutOf(event: KeyPress, isTyping: boolean): ShortcutName | null {
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") return "search";
  if (event.key === "?" && !isTyping && !isCommand && !event.altKey) return "help";
  if (event.altKey && !isCommand && !event.shiftKey) return byCode[event.code] ?? null;
  return null;
}

/** Does what is given for a shortcut while this is on the page and no dialog is open. */
export function useShortcuts(handlers: Partial<Record<ShortcutName, () => void>>): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.isComposing || document.querySelector("dialog[open]") !== null) return;
      const target = event.target;
      const isTyping = target instanceof HTMLElement && target.matches("input, textarea, select");
      const name = shortcutOf(event, isTyping);
      const run = name === null ? undefined : latest.current[name];
      if (run === undefined) return;
      event.preventDefault();
      run();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);
}
