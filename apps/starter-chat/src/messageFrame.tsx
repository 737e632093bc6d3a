import type { UsePaginatedQueryResult } from "convex/react";
import { Fragment, type ReactNode, useEffect, useState } from "react";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Chat, Message, Profile } from "../convex/model/views.ts";
import { useChatScroll } from "./chatScroll.ts";
import { dayName, isSameDay } from "./format.ts";
import { DownIcon } from "./icons.tsx";
import { PaneLoading } from "./loading.tsx";
import { type MessageActions, MessageItem, nameOf } from "./messageItem.tsx";
import { useNow } from "./now.ts";

const pageItems = 60;
const continuedMs = 5 * 60_000;

type Side = Pick<UsePaginatedQueryResult<Message>, "status" | "loadMore">;

/** Messages of a chat, oldest above, newest below; more load when one scrolls up to the first, or down to the last. */
export function MessageFrame({
  messages,
  older,
  newer,
  targetId,
  unread,
  ownId,
  access,
  editingId,
  actions,
  typing,
  emptyText,
  onAtEnd,
  onGoToNewest,
}: {
  messages: readonly Message[];
  older: Side;
  /** Null: the newest message is among them, and stays so. */
  newer: Side | null;
  /** The message somebody came for. */
  targetId: Id<"messages"> | null;
  /** How many of the last messages were not read when the chat was opened. */
  unread: number;
  ownId: Id<"users"> | null;
  access: Chat["access"];
  editingId: Id<"messages"> | null;
  /** Null: one can only read. */
  actions: MessageActions | null;
  typing: readonly Profile[];
  emptyText: string;
  /** The newest message is in view, or no longer. */
  onAtEnd: (isAtEnd: boolean) => void;
  onGoToNewest: () => void;
}) {
  const newest = messages.at(-1);
  const isNewestOwn = newest !== undefined && newest.userId === ownId;
  const hasNewer = newer !== null && newer.status !== "Exhausted";
  const { scrollRef, contentRef, topRef, bottomRef, isAtEnd, hasUnseen, goToEnd } = useChatScroll({
    firstKey: messages[0]?._id ?? null,
    lastKey: newest?._id ?? null,
    targetKey: targetId,
    followsAlways: isNewestOwn && newest.status === "sending",
    older: { canLoad: older.status === "CanLoadMore", load: () => older.loadMore(pageItems) },
    newer: { canLoad: newer?.status === "CanLoadMore", load: () => newer?.loadMore(pageItems) },
  });
  const firstUnreadId = useFirstUnread(messages, unread, ownId);
  const nowMs = useNow();
  const isEmpty = older.status === "Exhausted" && !hasNewer && messages.length === 0;
  useEffect(() => onAtEnd(isAtEnd && !hasNewer), [isAtEnd, hasNewer, onAtEnd]);

  return (
    <div className="messages-frame">
      <div
        className="messages"
        ref={scrollRef}
        tabIndex={0}
        role="region"
        aria-label="Messages"
        aria-busy={older.status === "LoadingFirstPage"}
      >
        <div ref={contentRef} className="messages-content">
          <div ref={topRef} className="messages-top">
            <OlderMessages side={older} hasMessages={messages.length > 0} />
          </div>
          {older.status === "LoadingFirstPage" && <PaneLoading label="Loading messages" />}
          {isEmpty && (
            <div className="empty-chat">
              <p>Nothing here yet.</p>
              <p className="muted">{emptyText}</p>
            </div>
          )}
          <ol className="message-items">
            {messages.map((message, index) => {
              const before = messages[index - 1];
              const isNewDay =
                before === undefined || !isSameDay(before._creationTime, message._creationTime);
              const isFirstUnread = message._id === firstUnreadId;
              return (
                <Fragment key={message._id}>
                  {isNewDay && <Divider>{dayName(message._creationTime, nowMs)}</Divider>}
                  {isFirstUnread && <Divider kind="unread-mark">New</Divider>}
                  <MessageItem
                    message={message}
                    isOwn={ownId !== null && message.userId === ownId}
                    isContinued={!isNewDay && !isFirstUnread && isContinuation(before, message)}
                    isEditing={message._id === editingId}
                    isTarget={message._id === targetId}
                    access={access}
                    actions={actions}
                  />
                </Fragment>
              );
            })}
          </ol>
          <Typing people={typing} />
          <div ref={bottomRef} className="messages-bottom" />
        </div>
      </div>
      {(hasNewer || hasUnseen || !isAtEnd) && messages.length > 0 && (
        <button
          type="button"
          className={hasUnseen ? "to-end" : "to-end quiet-end"}
          aria-label={hasUnseen ? "New messages" : "To the newest message"}
          onClick={() => (hasNewer ? onGoToNewest() : goToEnd())}
        >
          <DownIcon />
          {hasUnseen && <span>New messages</span>}
        </button>
      )}
      <p className="visually-hidden" aria-live="polite">
        {newest !== undefined && !isNewestOwn && newest.status !== "sending"
          ? `${nameOf(newest)}: ${newest.content.slice(0, 300)}`
          : ""}
      </p>
    </div>
  );
}

function OlderMessages({ side: { status, loadMore }, hasMessages }: { side: Side; hasMessages: boolean }) {
  if (status === "LoadingMore" || status === "CanLoadMore")
    return (
      <button
        type="button"
        className="quiet"
        disabled={status === "LoadingMore"}
        onClick={() => loadMore(pageItems)}
      >
        {status === "LoadingMore" ? "Loading older messages…" : "Load older messages"}
      </button>
    );
  return status === "Exhausted" && hasMessages ? (
    <span className="muted">The beginning of this chat</span>
  ) : null;
}

function Divider({ kind = "", children }: { kind?: string; children: ReactNode }) {
  return (
    <li className={`day ${kind}`}>
      <span>{children}</span>
    </li>
  );
}

/** Who is writing. Not read aloud: it would talk into what one is doing. */
function Typing({ people }: { people: readonly Profile[] }) {
  const names = people.map(({ name }) => name);
  return (
    <p className="typing-line">
      {names.length > 0 && (
        <>
          <span className="typing-dots" aria-hidden="true">
            <span />
            <span />
            <span />
          </span>
          {names.length > 3
            ? "Several people are writing"
            : `${new Intl.ListFormat("en").format(names)} ${names.length === 1 ? "is" : "are"} writing`}
        </>
      )}
    </p>
  );
}

/** The first message that had not been read when the chat was opened: found once, so that the mark stays in its place. */
function useFirstUnread(
  messages: readonly Message[],
  unread: number,
  ownId: Id<"users"> | null,
): Id<"messages"> | null {
  const [found, setFound] = useState<{ readonly id: Id<"messages"> | null } | null>(null);
  if (found === null && messages.length > 0) {
    const others = messages.filter(({ userId }) => userId === undefined || userId !== ownId);
    setFound({ id: unread === 0 ? null : (others.at(-unread)?._id ?? null) });
  }
  return found?.id ?? null;
}

function isContinuation(before: Message | undefined, message: Message): boolean {
  return (
    before !== undefined &&
    before.userId === message.userId &&
    before.role === message.role &&
    message.role === "user" &&
    message.parent === null &&
    message._creationTime - before._creationTime < continuedMs
  );
}
