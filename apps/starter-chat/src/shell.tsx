import { useEffect } from "react";
import type { Account } from "../convex/model/views.ts";
import { VerifyNotice } from "./auth/verifyNotice.tsx";
import { ChatPane } from "./chatPane.tsx";
import { ConnectionNotice } from "./connection.tsx";
import { ErrorBoundary } from "./errorBoundary.tsx";
import { failureText } from "./failures.ts";
import { openChat, useOpenChat } from "./route.ts";
import { Sidebar } from "./sidebar.tsx";
import { useCreateChat } from "./useCreateChat.ts";

/** The signed-in page: the list on the left, the open chat on the right; on a narrow screen one of the two. */
export function Shell({ account }: { account: Account }) {
  const chatId = useOpenChat();
  useEffect(() => {
    if (chatId === null) document.title = "Starter chat";
  }, [chatId]);
  return (
    <div className={chatId === null ? "shell shows-list" : "shell shows-chat"}>
      <ConnectionNotice />
      <Sidebar account={account} openChatId={chatId} />
      <main className="pane">
        <VerifyNotice />
        {chatId === null ? (
          <Welcome name={account.name} />
        ) : (
          <ErrorBoundary
            resetKey={chatId}
            fallback={(error, retry) => <Broken error={error} retry={retry} />}
          >
            <ChatPane key={chatId} chatId={chatId} account={account} />
          </ErrorBoundary>
        )}
      </main>
    </div>
  );
}

function Welcome({ name }: { name: string }) {
  const createChat = useCreateChat();
  return (
    <div className="empty">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>Hello, {name}</h1>
      <p className="muted">
        Choose a chat, or start a new one. Share it, and everyone in it sees each word live.
      </p>
      <button type="button" className="primary" onClick={createChat}>
        New chat
      </button>
      <p className="muted keys">
        <kbd>Ctrl</kbd> <kbd>K</kbd> searches
      </p>
    </div>
  );
}

function Broken({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <div className="empty" role="alert">
      <h1>This chat cannot be shown</h1>
      <p className="muted">{failureText(error)}</p>
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
