import { useSyncExternalStore } from "react";

// The same width as in styles/narrow.css.
const narrow = "(max-width: 760px)";

/** Whether the window is too narrow for list and chat beside each other. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const query = window.matchMedia(narrow);
      query.addEventListener("change", listener);
      return () => query.removeEventListener("change", listener);
    },
    () => window.matchMedia(narrow).matches,
  );
}
