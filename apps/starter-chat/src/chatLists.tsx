import { usePaginatedQuery, type UsePaginatedQueryResult } from "convex/react";
import { useEffect, useId, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account, Chat } from "../convex/model/views.ts";
import { Avatar, ChatAvatar } from "./avatar.tsx";
import { listTime } from "./format.ts";
import { chatHref } from "./route.ts";
import { useNow } from "./now.ts";
import { Skeleton } from "./skeleton.tsx";

const pageItems = 20;

/** Shown where a chat has no title of its own. */
export const untitled = "New chat";

/** Own chats, chats shared by others, and the archive: live, each loaded page by page. */
export function ChatLists({ account, openChatId }: { account: Account; openChatId: Id<"chats"> | null }) {
  const [showsArchive, setShowsArchive] = useState(false);
  const own = usePaginatedQuery(
    api.functions.queries.chats.getUserChats,
    { archived: false },
    { initialNumItems: pageItems },
  );
  const shared = usePaginatedQuery(
    api.functions.queries.shares.getSharedChats,
    {},
    { initialNumItems: pageItems },
  );
  const archive = usePaginatedQuery(
    api.functions.queries.chats.getUserChats,
    showsArchive ? { archived: true } : "skip",
    { initialNumItems: pageItems },
  );
  const props = { account, openChatId };
  return (
    <nav aria-label="Your chats">
      <Section {...props} title="Your chats" chats={own} empty="No chats yet. Start one with the + above." />
      {(shared.results.length > 0 || shared.status === "CanLoadMore") && (
        <Section {...props} title="Shared with you" chats={shared} empty="" />
      )}
      {showsArchive && <Section {...props} title="Archive" chats={archive} empty="The archive is empty." />}
      <button
        type="button"
        className="quiet archive-toggle"
        aria-expanded={showsArchive}
        onClick={() => setShowsArchive(!showsArchive)}
      >
        {showsArchive ? "Hide archive" : "Show archive"}
      </button>
    </nav>
  );
}

function Section({
  title,
  chats,
  empty,
  account,
  openChatId,
}: {
  title: string;
  chats: UsePaginatedQueryResult<Chat>;
  empty: string;
  account: Account;
  openChatId: Id<"chats"> | null;
}) {
  const headingId = useId();
  const { status, results, loadMore } = chats;
  return (
    <section aria-labelledby={headingId} className="chat-section">
      <h2 id={headingId}>{title}</h2>
      {status === "LoadingFirstPage" ? (
        <div role="status" aria-label="Loading chats">
          <Skeleton rows={3} />
        </div>
      ) : results.length === 0 && status === "Exhausted" ? (
        <p className="muted section-empty">{empty}</p>
      ) : (
        <ul>
          {results.map((chat) => (
            <ChatEntry key={chat._id} chat={chat} account={account} isOpen={chat._id === openChatId} />
          ))}
        </ul>
      )}
      {(status === "CanLoadMore" || status === "LoadingMore") && (
        <MoreButton isLoading={status === "LoadingMore"} loadMore={() => loadMore(pageItems)} />
      )}
    </section>
  );
}

function ChatEntry({ chat, account, isOpen }: { chat: Chat; account: Account; isOpen: boolean }) {
  const nowMs = useNow();
  const { lastMessage } = chat;
  const who =
    lastMessage === null
      ? ""
      : lastMessage.author?._id === account._id
        ? "You: "
        : lastMessage.author === null
          ? ""
          : `${lastMessage.author.name}: `;
  return (
    <li>
      <a
        className={isOpen ? "chat-entry open" : "chat-entry"}
        href={chatHref(chat._id)}
        aria-current={isOpen ? "page" : undefined}
      >
        {chat.access.isOwner ? (
          <ChatAvatar chatId={chat._id} title={chat.title ?? untitled} />
        ) : (
          <Avatar person={chat.owner} />
        )}
        <span className="chat-entry-text">
          <span className="chat-entry-top">
            <span className="chat-entry-title">{chat.title ?? untitled}</span>
            <time dateTime={new Date(chat.lastMessageAt).toISOString()}>
              {listTime(chat.lastMessageAt, nowMs)}
            </time>
          </span>
          <span className="chat-entry-preview">
            {lastMessage === null ? "Nothing said yet" : `${who}${lastMessage.preview}`}
          </span>
        </span>
      </a>
    </li>
  );
}

/** Loads the next page when it comes into view; also a button, for keyboards. */
function MoreButton({ isLoading, loadMore }: { isLoading: boolean; loadMore: () => void }) {
  const ref = useRef<HTMLButtonElement>(null);
  const latest = useRef(loadMore);
  latest.current = loadMore;
  useEffect(() => {
    const button = ref.current;
    if (button === null || isLoading) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) latest.current();
    });
    observer.observe(button);
    return () => observer.disconnect();
  }, [isLoading]);
  return (
    <button ref={ref} type="button" className="quiet more" disabled={isLoading} onClick={loadMore}>
      {isLoading ? "Loading…" : "Load more"}
    </button>
  );
}
