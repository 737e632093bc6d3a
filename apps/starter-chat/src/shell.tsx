import { useEffect, useState } from "react";
import type { Account } from "../convex/model/views.ts";
import { ChatPane } from "./chatPane.tsx";
import { ConnectionNotice } from "./connection.tsx";
import { ErrorBoundary } from "./errorBoundary.tsx";
import { appFailure } from "./failures.ts";
import { HelpDialog } from "./helpDialog.tsx";
import { JoinByLink } from "./joinByLink.tsx";
import { setTitleChat } from "./pageTitle.ts";
import { openChat, type Route } from "./route.ts";
import { useShortcuts } from "./shortcuts.ts";
import { Sidebar } from "./sidebar.tsx";
import { useCreateChat } from "./useCreateChat.ts";
import { useNarrow } from "./useNarrow.ts";

/**
 * The signed-in page: the list on the left, the open chat on the right. On a narrow screen the list is the page, until
 * a chat is open: then it is a drawer over it.
 */
export function Shell({ account, route }: { account: Account; route: Route }) {
  const chatId = route.kind === "chat" ? route.chatId : null;
  const isNarrow = useNarrow();
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const [hasHelp, setHelp] = useState(false);
  const createChat = useCreateChat();
  const isDrawer = isNarrow && route.kind !== "home";
  useEffect(() => setDrawerOpen(false), [route, isNarrow]);
  useEffect(() => {
    if (route.kind !== "chat") setTitleChat(null);
  }, [route]);
  useShortcuts({
    newChat: createChat,
    previousChat: () => openNeighbour(-1),
    nextChat: () => openNeighbour(1),
    help: () => setHelp(true),
  });
  useEffect(() => {
    if (!isDrawer || !isDrawerOpen) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null) setDrawerOpen(false);
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [isDrawer, isDrawerOpen]);

  const shape = !isDrawer ? "" : isDrawerOpen ? "drawer drawer-open" : "drawer";
  return (
    <div
      className={`shell ${chatId === null && route.kind === "home" ? "shows-list" : "shows-chat"} ${shape}`}
    >
      <ConnectionNotice />
      <Sidebar
        account={account}
        openChatId={chatId}
        isHidden={isDrawer && !isDrawerOpen}
        onSearch={() => setDrawerOpen(true)}
        onHelp={() => setHelp(true)}
      />
      {isDrawer && isDrawerOpen && (
        <button
          type="button"
          className="drawer-shade"
          aria-label="Close the list"
          onClick={() => setDrawerOpen(false)}
        />
      )}
      <main className="pane" inert={isDrawer && isDrawerOpen}>
        {route.kind === "join" ? (
          <JoinByLink token={route.token} />
        ) : chatId === null ? (
          <Welcome name={account.name} onHelp={() => setHelp(true)} />
        ) : (
          <ErrorBoundary
            resetKey={chatId}
            fallback={(error, retry) => <Broken error={error} retry={retry} />}
          >
            <ChatPane
              key={chatId}
              chatId={chatId}
              messageId={route.kind === "chat" ? route.messageId : null}
              account={account}
              onShowList={() => setDrawerOpen(true)}
            />
          </ErrorBoundary>
        )}
      </main>
      {hasHelp && <HelpDialog onClose={() => setHelp(false)} />}
    </div>
  );
}

/** Opens the chat above or below the open one, as they stand in the list. */
function openNeighbour(step: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLAnchorElement>("nav a.chat-entry")];
  const at = links.findIndex((link) => link.getAttribute("aria-current") === "page");
  const next = at === -1 ? links[0] : links[at + step];
  next?.scrollIntoView({ block: "nearest" });
  next?.click();
}

function Welcome({ name, onHelp }: { name: string; onHelp: () => void }) {
  const createChat = useCreateChat();
  return (
    <div className="empty">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>Hello, {name}</h1>
      <p className="muted">
        Choose a chat, or start a new one. Share it, and everyone in it sees each word live.
      </p>
      <div className="row">
        <button type="button" className="primary" onClick={createChat}>
          New chat
        </button>
        <button type="button" onClick={onHelp}>
          Keys
        </button>
      </div>
    </div>
  );
}

function Broken({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <div className="empty" role="alert">
      <h1>This chat cannot be shown</h1>
      <p className="muted">
        {appFailure(error)?.message ??
          "Its address may be incomplete. If it was right, something went wrong on the way: try again."}
      </p>
      <div className="row">
        <button type="button" onClick={retry}>
          Try again
        </button>
        <button type="button" onClick={() => openChat(null)}>
          Back to the list
        </button>
      </div>
    </div>
  );
}
