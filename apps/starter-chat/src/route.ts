import { useSyncExternalStore } from "react";
import type { Id } from "../convex/_generated/dataModel.js";

/** The chat the address names (`#/c/<id>`), or null. What it names may not exist: the server tells. */
export function useOpenChat(): Id<"chats"> | null {
  return useSyncExternalStore(
    (listener) => {
      window.addEventListener("hashchange", listener);
      return () => window.removeEventListener("hashchange", listener);
    },
    () => /^#\/c\/([\w]+)$/.exec(window.location.hash)?.[1] ?? null,
  ) as Id<"chats"> | null;
}

export function chatHref(chatId: Id<"chats">): string {
  return `#/c/${chatId}`;
}

export function openChat(chatId: Id<"chats"> | null): void {
  window.location.hash = chatId === null ? "#/" : chatHref(chatId);
}
