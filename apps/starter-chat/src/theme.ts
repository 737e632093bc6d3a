import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";

const storageKey = "starter-chat.theme";
const listeners = new Set<() => void>();

/** The theme chosen at this browser; null: none yet. */
export function storedTheme(): Theme | null {
  const text = localStorage.getItem(storageKey);
  return text === "light" || text === "dark" || text === "system" ? text : null;
}

export function useTheme(): Theme {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => storedTheme() ?? "system",
  );
}

/** Colours are CSS light-dark() pairs: the attribute only says which side counts. */
export function setTheme(theme: Theme): void {
  localStorage.setItem(storageKey, theme);
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  for (const listener of listeners) listener();
}

export function nextTheme(theme: Theme): Theme {
  return theme === "system" ? "light" : theme === "light" ? "dark" : "system";
}
