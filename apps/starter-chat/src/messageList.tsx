import { useMutation, usePaginatedQuery } from "convex/react";
import { Fragment, useCallback, useEffect, useMemo, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account, Chat, Message } from "../convex/model/views.ts";
import { dayName, isSameDay } from "./format.ts";
import { HistoryDialog } from "./historyDialog.tsx";
import { DownIcon } from "./icons.tsx";
import { joinFences } from "./fences.ts";
import { type MessageActions, MessageItem, nameOf } from "./messageItem.tsx";
import { useDeleteMessage } from "./messageMutations.ts";
import { useNow } from "./now.ts";
import { useChatScroll } from "./chatScroll.ts";
import { useAttempt, useToast } from "./toasts.tsx";

const firstPageItems = 40;
const nextPageItems = 60;
const continuedMs = 5 * 60_000;

/** The messages of a chat, oldest above, newest below; older ones load when one scrolls up to them. */
export function MessageList({
  chatId,
  account,
  access,
  editingId,
  onEdit,
  onReply,
  onNewestOwn,
}: {
  chatId: Id<"chats">;
  account: Account;
  access: Chat["access"];
  editingId: Id<"messages"> | null;
  onEdit: (message: Message) => void;
  onReply: (message: Message) => void;
  onNewestOwn: (message: Message | null) => void;
}) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.functions.queries.messages.getChatMessages,
    { chatId, order: "desc" },
    { initialNumItems: firstPageItems },
  );
  const messages = useMemo(() => results.toReversed(), [results]);
  const newest = messages.at(-1);
  const isNewestOwn = newest?.userId === account._id;
  const { scrollRef, contentRef, topRef, hasUnseen, goToEnd } = useChatScroll({
    firstKey: messages[0]?._id ?? null,
    lastKey: newest?._id ?? null,
    followsAlways: isNewestOwn && newest?.status === "sending",
    canLoadMore: status === "CanLoadMore",
    loadMore: () => loadMore(nextPageItems),
  });
  const [history, setHistory] = useState<Message | null>(null);
  const actions = useMessageActions(onEdit, onReply, setHistory);
  const nowMs = useNow();

  const newestOwn = useMemo(
    () => messages.findLast(({ userId, status }) => userId === account._id && status !== "sending") ?? null,
    [messages, account._id],
  );
  useEffect(() => onNewestOwn(newestOwn), [newestOwn, onNewestOwn]);

  return (
    <div className="messages-frame">
      <div
        className="messages"
        ref={scrollRef}
        tabIndex={0}
        role="region"
        aria-label="Messages"
        aria-busy={status === "LoadingFirstPage"}
      >
        <div ref={contentRef} className="messages-content">
          <div ref={topRef} className="messages-top">
            {status === "LoadingMore" || status === "CanLoadMore" ? (
              <button
                type="button"
                className="quiet"
                disabled={status === "LoadingMore"}
                onClick={() => loadMore(nextPageItems)}
              >
                {status === "LoadingMore" ? "Loading older messages…" : "Load older messages"}
              </button>
            ) : status === "Exhausted" && messages.length > 0 ? (
              <span className="muted">The beginning of this chat</span>
            ) : null}
          </div>
          {status === "LoadingFirstPage" && (
            <div className="pane-loading" role="status">
              <span className="spinner" aria-hidden="true" />
              <span className="visually-hidden">Loading messages</span>
            </div>
          )}
          {status === "Exhausted" && messages.length === 0 && (
            <div className="empty-chat">
              <p>Nothing here yet.</p>
              <p className="muted">
                {access.canWrite ? "Write the first message below." : "What the others write appears here."}
              </p>
            </div>
          )}
          <ol className="message-items">
            {messages.map((message, index) => {
              const before = messages[index - 1];
              const isNewDay =
                before === undefined || !isSameDay(before._creationTime, message._creationTime);
              return (
                <Fragment key={message._id}>
                  {isNewDay && (
                    <li className="day">
                      <span>{dayName(message._creationTime, nowMs)}</span>
                    </li>
                  )}
                  <MessageItem
                    message={message}
                    isOwn={message.userId === account._id}
                    isContinued={!isNewDay && isContinuation(before, message)}
                    isEditing={message._id === editingId}
                    access={access}
                    actions={actions}
                  />
                </Fragment>
              );
            })}
          </ol>
        </div>
      </div>
      {hasUnseen && (
        <button type="button" className="to-end" onClick={goToEnd}>
          <DownIcon />
          <span>New messages</span>
        </button>
      )}
      <p className="visually-hidden" aria-live="polite">
        {newest !== undefined && !isNewestOwn ? `${nameOf(newest)}: ${newest.content.slice(0, 300)}` : ""}
      </p>
      {history !== null && <HistoryDialog message={history} onClose={() => setHistory(null)} />}
    </div>
  );
}

function useMessageActions(
  onEdit: (message: Message) => void,
  onReply: (message: Message) => void,
  onHistory: (message: Message) => void,
): MessageActions {
  const deleteMessage = useDeleteMessage();
  const attempt = useAttempt();
  const toast = useToast();
  const onDelete = useCallback(
    (message: Message) => attempt(() => deleteMessage(message._id)),
    [attempt, deleteMessage],
  );
  const onCopy = useCallback(
    (message: Message) => {
      const text = joinFences(message.parts.filter((part) => part.type === "text" || part.type === "code"));
      navigator.clipboard.writeText(text).then(
        () => toast("Copied."),
        () => toast("The browser did not allow copying.", "error"),
      );
    },
    [toast],
  );
  const cancelAnswer = useMutation(api.functions.mutations.assistant.cancelAnswer);
  const regenerateAnswer = useMutation(api.functions.mutations.assistant.regenerateAnswer);
  const onStop = useCallback(
    ({ _id: messageId }: Message) => attempt(() => cancelAnswer({ messageId })),
    [attempt, cancelAnswer],
  );
  const onRegenerate = useCallback(
    ({ _id: messageId }: Message) => attempt(() => regenerateAnswer({ messageId })),
    [attempt, regenerateAnswer],
  );
  return useMemo(
    () => ({ onEdit, onReply, onHistory, onDelete, onCopy, onStop, onRegenerate }),
    [onEdit, onReply, onHistory, onDelete, onCopy, onStop, onRegenerate],
  );
}

function isContinuation(before: Message | undefined, message: Message): boolean {
  return (
    before !== undefined &&
    before.userId === message.userId &&
    before.role === message.role &&
    message.parent === null &&
    message._creationTime - before._creationTime < continuedMs
  );
}
