import { memo } from "react";
import type { Chat, Message } from "../convex/model/views.ts";
import { AnswerFoot } from "./answerFoot.tsx";
import { AssistantAvatar, Avatar } from "./avatar.tsx";
import { clockTime, withoutMarks } from "./format.ts";
import { MoreIcon } from "./icons.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
import { MessageParts } from "./messageText.tsx";
import { limits } from "../convex/model/limits.ts";

export interface MessageActions {
  readonly onReply: (message: Message) => void;
  readonly onEdit: (message: Message) => void;
  readonly onDelete: (message: Message) => void;
  readonly onHistory: (message: Message) => void;
  readonly onCopy: (message: Message) => void;
  readonly onStop: (message: Message) => void;
  readonly onRegenerate: (message: Message) => void;
}

interface Props {
  readonly message: Message;
  readonly isOwn: boolean;
  /** The message before is by the same person, a moment ago: no need to say who again. */
  readonly isContinued: boolean;
  readonly isEditing: boolean;
  /** The message somebody came for. */
  readonly isTarget: boolean;
  readonly access: Chat["access"];
  /** Null: one can only read. */
  readonly actions: MessageActions | null;
}

/** One message. Memoized: a new one must not render the whole history again. */
export const MessageItem = memo(
  function MessageItem({ message, isOwn, isContinued, isEditing, isTarget, access, actions }: Props) {
    const author = nameOf(message);
    const items = actions === null ? [] : menuItems(message, isOwn, access, actions);
    const isAnswering = message.role === "assistant" && message.status === "sending";
    const isPending = message.status === "sending" && !isAnswering;
    const time = clockTime(message._creationTime);
    return (
      <li
        className={[
          "message",
          isOwn ? "own" : "other",
          isContinued ? "continued" : "",
          isEditing ? "editing" : "",
          isPending ? "pending" : "",
          isTarget ? "target" : "",
          message.role === "assistant" ? "answer" : "",
        ].join(" ")}
        data-message={message._id}
      >
        <article aria-label={`${isOwn ? "You" : author}, ${time}`}>
          {!isOwn &&
            (message.role === "assistant" ? (
              <AssistantAvatar />
            ) : (
              <Avatar person={message.author} size="small" />
            ))}
          <div className="message-main">
            {!isContinued && (
              <div className="message-head" aria-hidden="true">
                {!isOwn && <span className="message-author">{author}</span>}
                <time dateTime={new Date(message._creationTime).toISOString()}>{time}</time>
              </div>
            )}
            <div className="message-line">
              <div className="bubble" title={new Date(message._creationTime).toLocaleString()}>
                {message.parent !== null && (
                  <blockquote className="quoted">
                    <strong>{message.parent.author?.name ?? "A deleted account"}</strong>
                    <span>{withoutMarks(message.parent.preview)}</span>
                  </blockquote>
                )}
                {isAnswering && message.content === "" ? (
                  <p className="text-part typing" role="status">
                    Thinking…
                  </p>
                ) : (
                  <MessageParts chatId={message.chatId} parts={message.parts} />
                )}
              </div>
              {!isPending && items.length > 0 && (
                <Menu
                  label={`Options for this message of ${isOwn ? "yours" : author}`}
                  className="icon-button small message-more"
                  align={isOwn ? "end" : "start"}
                  items={items}
                >
                  <MoreIcon />
                </Menu>
              )}
            </div>
            {message.role === "assistant" && (
              <AnswerFoot message={message} actions={access.canWrite ? actions : null} />
            )}
            {(isPending || message.edited || (message.status === "error" && message.role === "user")) && (
              <div className="message-foot">
                {isPending ? (
                  "Sending…"
                ) : message.status === "error" ? (
                  "Not delivered"
                ) : (
                  <EditedMark message={message} actions={actions} />
                )}
              </div>
            )}
          </div>
        </article>
      </li>
    );
  },
  // The server sends equal messages as new objects; what they say decides.
  (before, after) =>
    before.isOwn === after.isOwn &&
    before.isContinued === after.isContinued &&
    before.isEditing === after.isEditing &&
    before.isTarget === after.isTarget &&
    before.actions === after.actions &&
    (before.message === after.message || JSON.stringify(before.message) === JSON.stringify(after.message)) &&
    (before.access === after.access || JSON.stringify(before.access) === JSON.stringify(after.access)),
);

function EditedMark({ message, actions }: { message: Message; actions: MessageActions | null }) {
  if (actions === null) return "Edited";
  return (
    <button type="button" className="link" onClick={() => actions.onHistory(message)}>
      Edited
    </button>
  );
}

export function nameOf(message: Message): string {
  if (message.author !== null) return message.author.name;
  return message.role === "assistant"
    ? "Assistant"
    : message.role === "system"
      ? "System"
      : "Deleted account";
}

function menuItems(
  message: Message,
  isOwn: boolean,
  access: Chat["access"],
  actions: MessageActions,
): MenuItem[] {
  const items: MenuItem[] = [];
  if (access.canWrite && message.threadLevel < limits.threadLevelMax)
    items.push({ label: "Reply", onSelect: () => actions.onReply(message) });
  items.push({ label: "Copy text", onSelect: () => actions.onCopy(message) });
  if (message.role === "assistant" && access.canWrite && message.status !== "sending")
    items.push({ label: "Answer again", onSelect: () => actions.onRegenerate(message) });
  if (isOwn && access.canWrite) items.push({ label: "Edit", onSelect: () => actions.onEdit(message) });
  if (message.edited) items.push({ label: "Earlier versions", onSelect: () => actions.onHistory(message) });
  if (access.isOwner || (isOwn && access.canWrite))
    items.push({ label: "Delete", isDangerous: true, onSelect: () => actions.onDelete(message) });
  return items;
}
