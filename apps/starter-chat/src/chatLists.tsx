import { usePaginatedQuery, type UsePaginatedQueryResult, useQuery } from "convex/react";
import { useEffect, useId, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import { limits } from "../convex/model/limits.ts";
import type { Account, Chat } from "../convex/model/views.ts";
import { Avatar, ChatAvatar } from "./avatar.tsx";
import { listTime, withoutMarks } from "./format.ts";
import { chatHref } from "./route.ts";
import { useNow } from "./now.ts";
import { setTitleUnread } from "./pageTitle.ts";
import { Skeleton } from "./skeleton.tsx";

const pageItems = 20;

/** Shown where a chat has no title of its own. */
export const untitled = "New chat";

/** Own chats, chats shared by others, and the archive: live, each loaded page by page. */
export function ChatLists({ account, openChatId }: { account: Account; openChatId: Id<"chats"> | null }) {
  const [showsArchive, setShowsArchive] = useState(false);
  const [tag, setTag] = useState<string | null>(null);
  const tags = useQuery(api.functions.queries.chats.getUserTags, {});
  // The last chat with a tag may lose it, here or in another window.
  const chosen = tags?.some((entry) => entry.tag === tag) === true ? tag : null;
  const own = usePaginatedQuery(
    api.functions.queries.chats.getUserChats,
    { archived: false, ...(chosen === null ? {} : { tag: chosen }) },
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
  const unread = [...own.results, ...shared.results].filter((chat) => chat.unread > 0).length;
  useEffect(() => setTitleUnread(unread), [unread]);
  return (
    <nav aria-label="Your chats">
      {tags !== undefined && tags.length > 0 && (
        <TagFilter tags={tags.map(({ tag }) => tag)} chosen={chosen} onChoose={setTag} />
      )}
      <Section {...props} title="Your chats" chats={own} empty="No chats yet. Start one with the + above." />
      {chosen === null && (shared.results.length > 0 || shared.status === "CanLoadMore") && (
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
  const who = lastMessage === null ? "" : whoSaid(lastMessage, account);
  return (
    <li>
      <a
        className={`chat-entry${isOpen ? " open" : ""}${chat.unread > 0 && !isOpen ? " has-unread" : ""}`}
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
          <span className="chat-entry-top">
            <span className="chat-entry-preview">
              {lastMessage === null ? "Nothing said yet" : `${who}${withoutMarks(lastMessage.preview)}`}
            </span>
            {chat.unread > 0 && !isOpen && (
              <span className="unread">
                {chat.unread >= limits.unreadShownMax ? `${limits.unreadShownMax}+` : chat.unread}
                <span className="visually-hidden"> unread</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
}

function whoSaid({ author, role }: NonNullable<Chat["lastMessage"]>, account: Account): string {
  if (author?._id === account._id) return "You: ";
  if (author !== null) return `${author.name}: `;
  return role === "assistant" ? "Assistant: " : "";
}

function TagFilter({
  tags,
  chosen,
  onChoose,
}: {
  tags: readonly string[];
  chosen: string | null;
  onChoose: (tag: string | null) => void;
}) {
  return (
    <div className="tag-filter" role="group" aria-label="Chats with the tag">
      {[null, ...tags].map((tag) => (
        <button key={tag ?? ""} type="button" aria-pressed={tag === chosen} onClick={() => onChoose(tag)}>
          {tag ?? "All"}
        </button>
      ))}
    </div>
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
