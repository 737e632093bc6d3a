import { useConvexConnectionState, useMutation, useQuery } from "convex/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account, ChatDetails, Message } from "../convex/model/views.ts";
import { type FilePart, useAttachmentDrafts } from "./attachments.tsx";
import { ChatHeader } from "./chatHeader.tsx";
import { untitled } from "./chatLists.tsx";
import { Composer, type ComposerControl } from "./composer.tsx";
import { DropZone } from "./dropZone.tsx";
import { splitFences } from "./fences.ts";
import { PaneLoading } from "./loading.tsx";
import { MessageList } from "./messageList.tsx";
import { useSendMessage, useUpdateMessage } from "./messageMutations.ts";
import { setTitleChat } from "./pageTitle.ts";
import { useHeartbeat, usePresence, useTypingSignal } from "./presence.ts";
import { openChat } from "./route.ts";
import { useShortcuts } from "./shortcuts.ts";
import { useAttempt } from "./toasts.tsx";

/** The open chat, once it is there. */
export function ChatPane(props: {
  chatId: Id<"chats">;
  messageId: Id<"messages"> | null;
  account: Account;
  onShowList: () => void;
}) {
  const chat = useQuery(api.functions.queries.chats.getChatById, { chatId: props.chatId });
  const title = chat?.title;
  useEffect(() => setTitleChat(title ?? untitled), [title]);
  if (chat === undefined) return <PaneLoading label="Opening the chat" />;
  if (chat === null) return <Missing />;
  return <OpenChat {...props} chat={chat} />;
}

/** What was said, and where to say more. */
function OpenChat({
  chat,
  messageId,
  account,
  onShowList,
}: {
  chat: ChatDetails;
  messageId: Id<"messages"> | null;
  account: Account;
  onShowList: () => void;
}) {
  const chatId = chat._id;
  const [replyTo, setReplyTo] = useState<Message | null>(null);
  const [editing, setEditing] = useState<Message | null>(null);
  const [messages, setMessages] = useState<readonly Message[]>([]);
  const [isAtEnd, setAtEnd] = useState(false);
  const [unreadAtOpening] = useState(chat.unread);
  const composer = useRef<ComposerControl>(null);
  const sendMessage = useSendMessage(account);
  const updateMessage = useUpdateMessage();
  const attempt = useAttempt();
  const attachments = useAttachmentDrafts(chatId);
  const askAssistant = useMutation(api.functions.mutations.assistant.askAssistant);
  const cancelAnswer = useMutation(api.functions.mutations.assistant.cancelAnswer);
  const [isAssistantOn, toggleAssistant] = useAssistantSwitch(chatId);
  const presence = usePresence(chatId, account._id);
  const signalTyping = useTypingSignal(chatId);
  useHeartbeat(chatId, true);
  useMarkRead(chat, isAtEnd);
  useShortcuts(chat.access.canWrite ? { assistant: toggleAssistant } : {});

  const startEditing = useCallback((message: Message) => {
    setReplyTo(null);
    setEditing(message);
  }, []);
  const startReply = useCallback((message: Message) => {
    setEditing(null);
    setReplyTo(message);
    composer.current?.focus();
  }, []);

  const send = async (text: string, files: readonly FilePart[]) => {
    const said = text.trim() === "" ? [] : splitFences(text);
    const parts = [...said, ...files];
    signalTyping(false);
    if (editing !== null) {
      const { _id } = editing;
      setEditing(null);
      await updateMessage({ messageId: _id, parts });
      return;
    }
    const parent = replyTo;
    setReplyTo(null);
    // What one says stands at the end: there one goes from wherever one was reading.
    if (messageId !== null) openChat(chatId);
    await sendMessage({ chatId, parts, ...(parent === null ? {} : { parentMessageId: parent._id }) });
    if (isAssistantOn) attempt(() => askAssistant({ chatId }));
  };
  const isAnswering = ({ role, status }: Message) => role === "assistant" && status === "sending";
  const cancel = () => {
    const answer = messages.findLast(isAnswering);
    if (editing !== null || replyTo !== null) {
      setEditing(null);
      setReplyTo(null);
    } else if (answer !== undefined && chat.access.canWrite)
      attempt(() => cancelAnswer({ messageId: answer._id }));
  };
  const editLast = () => {
    const last = messages.findLast(
      ({ userId, status }) => userId === account._id && status !== "sending" && status !== "error",
    );
    if (last !== undefined) startEditing(last);
  };

  return (
    <DropZone isOn={chat.access.canWrite && editing === null} onFiles={(files) => attachments.add(files)}>
      <ChatHeader chat={chat} account={account} online={presence.online} onShowList={onShowList} />
      <MessageList
        chat={chat}
        messageId={messageId}
        account={account}
        unread={unreadAtOpening}
        typing={presence.typing}
        editingId={editing?._id ?? null}
        onEdit={startEditing}
        onReply={startReply}
        onLoaded={setMessages}
        onAtEnd={setAtEnd}
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
          onCancel={cancel}
          onEditLast={editLast}
          onTyping={signalTyping}
        />
      ) : (
        <p className="read-only" role="note">
          You can read this chat, but not write in it.
        </p>
      )}
    </DropZone>
  );
}

/** Tells the server that one has read the chat, while its end is in view in a window one looks at. */
function useMarkRead(chat: ChatDetails, isAtEnd: boolean): void {
  const markRead = useMutation(api.functions.mutations.messages.markRead);
  const { isWebSocketConnected } = useConvexConnectionState();
  const { _id: chatId, unread } = chat;
  useEffect(() => {
    if (unread === 0 || !isAtEnd || !isWebSocketConnected) return;
    const mark = () => {
      if (document.visibilityState === "visible") void markRead({ chatId }).catch(() => {});
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [chatId, unread, isAtEnd, isWebSocketConnected, markRead]);
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
