import { useMemo, useSyncExternalStore } from "react";
import type { Id } from "../convex/_generated/dataModel.js";

/** What the address names. What it names may not exist: the server tells. */
export type Route =
  | { readonly kind: "home" }
  | { readonly kind: "chat"; readonly chatId: Id<"chats">; readonly messageId: Id<"messages"> | null }
  /** A chat behind a link, as a stranger sees it. */
  | { readonly kind: "shared"; readonly token: string }
  /** On the way from there into one's own list. */
  | { readonly kind: "join"; readonly token: string };

export function useRoute(): Route {
  const hash = useSyncExternalStore(
    (listener) => {
      window.addEventListener("hashchange", listener);
      return () => window.removeEventListener("hashchange", listener);
    },
    () => window.location.hash,
  );
  return useMemo(() => parseRoute(hash), [hash]);
}

export function parseRoute(hash: string): Route {
  const [kind, id = "", ...rest] = hash.replace(/^#\//, "").split("/");
  if (!/^[\w-]+$/.test(id)) return { kind: "home" };
  if (kind === "s") return { kind: "shared", token: id };
  if (kind === "join") return { kind: "join", token: id };
  if (kind !== "c") return { kind: "home" };
  const [mark, message = ""] = rest;
  const messageId = mark === "m" && /^\w+$/.test(message) ? (message as Id<"messages">) : null;
  return { kind: "chat", chatId: id as Id<"chats">, messageId };
}

export function chatHref(chatId: Id<"chats">, messageId?: Id<"messages">): string {
  return messageId === undefined ? `#/c/${chatId}` : `#/c/${chatId}/m/${messageId}`;
}

export function openChat(chatId: Id<"chats"> | null): void {
  go(chatId === null ? "#/" : chatHref(chatId));
}

export function sharedHref(token: string): string {
  return `#/s/${token}`;
}

export function joinHref(token: string): string {
  return `#/join/${token}`;
}

export function go(hash: string): void {
  window.location.hash = hash;
}
