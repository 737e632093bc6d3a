import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useEffect, useMemo } from "react";
import { api } from "../convex/_generated/api.js";
import type { LinkedChat } from "../convex/model/views.ts";
import { Brand } from "./brand.tsx";
import { untitled } from "./chatLists.tsx";
import { ConnectionNotice } from "./connection.tsx";
import { ErrorBoundary } from "./errorBoundary.tsx";
import { LinkTokenContext } from "./fileInMessage.tsx";
import { MessageFrame } from "./messageFrame.tsx";
import { setTitleChat } from "./pageTitle.ts";
import { chatHref, go, joinHref } from "./route.ts";
import { endText } from "./shareRights.tsx";
import { ThemeButton } from "./themeButton.tsx";

const firstPageItems = 40;
const readOnly = { isOwner: false, canRead: true, canWrite: false, canShare: false };

/** A chat as whoever has a link sees it, live and without signing in, until the link ends. */
export function SharedChat({ token, isSignedIn }: { token: string; isSignedIn: boolean }) {
  const chat = useQuery(api.functions.queries.shares.getSharedChatByToken, { token });
  const recordShareAccess = useMutation(api.functions.mutations.shares.recordShareAccess);
  const isThere = chat !== undefined && chat !== null;
  const title = isThere ? (chat.title ?? untitled) : null;
  useEffect(() => setTitleChat(title), [title]);
  useEffect(() => {
    if (isThere && isFirstVisit(token)) void recordShareAccess({ token }).catch(() => {});
  }, [isThere, token, recordShareAccess]);
  if (chat === undefined)
    return (
      <main className="splash" aria-busy="true">
        <ConnectionNotice />
        <Brand />
        <p role="status">Opening the chat…</p>
      </main>
    );
  if (chat === null) return <Ended />;
  return (
    <ErrorBoundary resetKey={token} fallback={() => <Ended />}>
      <LinkTokenContext value={token}>
        <Page chat={chat} token={token} isSignedIn={isSignedIn} />
      </LinkTokenContext>
    </ErrorBoundary>
  );
}

function Page({ chat, token, isSignedIn }: { chat: LinkedChat; token: string; isSignedIn: boolean }) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.functions.queries.shares.getSharedMessages,
    { token, order: "desc" },
    { initialNumItems: firstPageItems },
  );
  const messages = useMemo(() => results.toReversed(), [results]);
  const { canWrite } = chat.permissions;
  const facts = [
    `Shared by ${chat.owner?.name ?? "somebody"}`,
    `${chat.messageCount.toLocaleString()} ${chat.messageCount === 1 ? "message" : "messages"}`,
    ...(chat.expiresAt === undefined ? [] : [endText(chat.expiresAt)]),
  ];
  return (
    <div className="shared">
      <ConnectionNotice />
      <header className="shared-top">
        <Brand />
        <ThemeButton account={null} />
      </header>
      <main className="chat shared-chat">
        <header className="chat-head">
          <div className="chat-title">
            <h1>{chat.title ?? untitled}</h1>
            <p className="muted">{facts.join(" · ")}</p>
          </div>
        </header>
        <MessageFrame
          messages={messages}
          older={{ status, loadMore }}
          newer={null}
          targetId={null}
          unread={0}
          ownId={null}
          access={readOnly}
          editingId={null}
          actions={null}
          typing={[]}
          emptyText="What they write appears here."
          onAtEnd={ignore}
          onGoToNewest={ignore}
        />
        <div className="shared-foot">
          {chat.isMember ? (
            <>
              <p>This chat is on your list.</p>
              <a className="button primary" href={chatHref(chat.chatId)}>
                Open it there
              </a>
            </>
          ) : (
            <>
              <p>
                {canWrite
                  ? isSignedIn
                    ? "Join to write here, and to keep the chat on your list."
                    : "Sign in to write here. Reading needs no account."
                  : isSignedIn
                    ? "You can keep the chat on your list."
                    : "You are reading along. No account needed."}
              </p>
              <button type="button" className="primary" onClick={() => go(joinHref(token))}>
                {isSignedIn ? (canWrite ? "Join" : "Keep it") : "Sign in"}
              </button>
            </>
          )}
        </div>
      </main>
    </div>
  );
}

function Ended() {
  return (
    <main className="splash">
      <Brand />
      <h1>This link does not work</h1>
      <p className="muted">
        It was ended, it has expired, or a piece of it is missing. Ask who sent it for a new one.
      </p>
      <p>
        <a href="#/">To the chat</a>
      </p>
    </main>
  );
}

const opened = new Set<string>();

/** Whether this window opens the link for the first time: a reload of the view is no second visit. */
function isFirstVisit(token: string): boolean {
  if (opened.has(token)) return false;
  opened.add(token);
  return true;
}

function ignore(): void {}
