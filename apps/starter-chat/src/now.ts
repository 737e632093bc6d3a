import { useSyncExternalStore } from "react";

const minuteMs = 60_000;
let nowMs = Date.now();
const listeners = new Set<() => void>();
setInterval(() => {
  nowMs = Date.now();
  for (const listener of listeners) listener();
}, minuteMs);

/** The time, to the minute: "Today" must become "Yesterday" in a window that stays open over night. */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => nowMs,
  );
}
