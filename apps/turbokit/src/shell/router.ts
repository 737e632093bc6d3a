import { type MouseEvent, useSyncExternalStore } from "react";

/** Paths of the page; `:` stands for an id. */
export interface Place {
  readonly view:
    "projects" | "project" | "shared" | "assistant" | "files" | "mail" | "plan" | "workflows" | "missing";
  readonly id: string | null;
}

const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};
window.addEventListener("popstate", tell);

export function navigate(path: string, { replace = false } = {}): void {
  if (path === window.location.pathname + window.location.search) return;
  if (replace) window.history.replaceState(null, "", path);
  else window.history.pushState(null, "", path);
  window.scrollTo(0, 0);
  tell();
}

export function usePath(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => window.location.pathname,
  );
}

export function placeOf(path: string): Place {
  const [first = "", id = null] = path.split("/").filter((part) => part !== "");
  switch (first) {
    case "":
      return { view: "projects", id: null };
    case "projects":
      return id === null ? { view: "projects", id } : { view: "project", id };
    case "shared":
    case "assistant":
    case "files":
    case "mail":
    case "plan":
    case "workflows":
      return { view: first, id };
    default:
      return { view: "missing", id: null };
  }
}

/** For links: goes there without loading the page anew, unless another window was asked for. */
export function follow(event: MouseEvent<HTMLAnchorElement>): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey)
    return;
  event.preventDefault();
  navigate(event.currentTarget.pathname + event.currentTarget.search);
}
