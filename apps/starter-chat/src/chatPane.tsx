import { useMutation, useQuery } from "convex/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account, Message } from "../convex/model/views.ts";
import { flatten, type MessagePart, preview } from "../convex/model/parts.ts";
import { type FilePart, useAttachmentDrafts } from "./attachments.tsx";
import { ChatHeader } from "./chatHeader.tsx";
import { untitled } from "./chatLists.tsx";
import { Composer, type ComposerControl } from "./composer.tsx";
import { splitFences } from "./fences.ts";
import { MessageList } from "./messageList.tsx";
import { useSendMessage, useUpdateMessage } from "./messageMutations.ts";
import { openChat } from "./route.ts";
import { useAttempt } from "./toasts.tsx";

const titleFromMessageLength = 60;

/** The open chat: what was said, and where to say more. */
export function ChatPane({ chatId, account }: { chatId: Id<"chats">; account: Account }) {
  const chat = useQuery(api.functions.queries.chats.getChatById, { chatId });
  const [replyTo, setReplyTo] = useState<Message | null>(null);
  const [editing, setEditing] = useState<Message | null>(null);
  const composer = useRef<ComposerControl>(null);
  const sendMessage = useSendMessage(account);
  const updateMessage = useUpdateMessage();
  const updateChat = useMutation(api.functions.mutations.chats.updateChat);
  const attempt = useAttempt();
  const lastOwn = useRef<Message | null>(null);
  const attachments = useAttachmentDrafts(chatId);
  const askAssistant = useMutation(api.functions.mutations.assistant.askAssistant);
  const [isAssistantOn, toggleAssistant] = useAssistantSwitch(chatId);

  const title = chat?.title;
  useEffect(() => {
    document.title = `${title ?? untitled} · Starter chat`;
  }, [title]);

  const startEditing = useCallback((message: Message) => {
    setReplyTo(null);
    setEditing(message);
  }, []);
  const startReply = useCallback((message: Message) => {
    setEditing(null);
    setReplyTo(message);
    composer.current?.focus();
  }, []);

  if (chat === undefined)
    return (
      <div className="pane-loading" role="status">
        <span className="spinner" aria-hidden="true" />
        <span className="visually-hidden">Opening the chat</span>
      </div>
    );
  if (chat === null) return <Missing />;

  const send = async (text: string, files: readonly FilePart[]) => {
    const said = text.trim() === "" ? [] : splitFences(text);
    const parts = [...said, ...files];
    if (editing !== null) {
      const { _id } = editing;
      setEditing(null);
      await updateMessage({ messageId: _id, parts });
      return;
    }
    const parent = replyTo;
    setReplyTo(null);
    await sendMessage({ chatId, parts, ...(parent === null ? {} : { parentMessageId: parent._id }) });
    // The first words are the best name a new chat can have.
    if (chat.title === undefined && chat.access.isOwner && chat.messageCount === 0)
      attempt(() => updateChat({ chatId, title: titleFrom(said.length > 0 ? said : parts) }));
    if (isAssistantOn) attempt(() => askAssistant({ chatId }));
  };

  return (
    <div className="chat">
      <ChatHeader chat={chat} account={account} />
      <MessageList
        chatId={chatId}
        account={account}
        access={chat.access}
        editingId={editing?._id ?? null}
        onEdit={startEditing}
        onReply={startReply}
        onNewestOwn={(message) => {
          lastOwn.current = message;
        }}
      />
      {chat.access.canWrite ? (
        <Composer
          ref={composer}
          draftKey={chatId}
          editing={editing}
          replyTo={replyTo}
          assistant={{ isOn: isAssistantOn, onToggle: toggleAssistant }}
          attachments={attachments}
          onSend={send}
          onCancel={() => {
            setEditing(null);
            setReplyTo(null);
          }}
          onEditLast={() => {
            if (lastOwn.current !== null) startEditing(lastOwn.current);
          }}
        />
      ) : (
        <p className="read-only" role="note">
          You can read this chat, but not write in it.
        </p>
      )}
    </div>
  );
}

function Missing() {
  return (
    <div className="empty">
      <h1>No such chat</h1>
      <p className="muted">It was deleted, or it is not shared with you any more.</p>
      <button type="button" onClick={() => openChat(null)}>
        Back to the list
      </button>
    </div>
  );
}

/** Whether the assistant answers in this chat, as this browser remembers it. */
function useAssistantSwitch(chatId: Id<"chats">): [boolean, () => void] {
  const key = `starter-chat:assistant:${chatId}`;
  const [isOn, setOn] = useState(() => localStorage.getItem(key) === "on");
  return [
    isOn,
    () => {
      localStorage.setItem(key, isOn ? "off" : "on");
      setOn(!isOn);
    },
  ];
}

function titleFrom(parts: readonly MessagePart[]): string {
  const line = preview(flatten(parts));
  return line.length > titleFromMessageLength
    ? `${line.slice(0, titleFromMessageLength - 1).trimEnd()}…`
    : line;
}
