import { usePaginatedQuery, useQuery } from "convex/react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account, ChatDetails, Message, Profile } from "../convex/model/views.ts";
import { HistoryDialog } from "./historyDialog.tsx";
import { useMessageActions } from "./messageActions.ts";
import { MessageFrame } from "./messageFrame.tsx";
import { openChat } from "./route.ts";

const firstPageItems = 40;
/** On each side of the message somebody came for. */
const aroundItems = 25;
const { getChatMessages, getMessage } = api.functions.queries.messages;

interface Props {
  readonly chat: ChatDetails;
  readonly account: Account;
  /** How many were unread when the chat was opened. */
  readonly unread: number;
  readonly typing: readonly Profile[];
  readonly editingId: Id<"messages"> | null;
  readonly onEdit: (message: Message) => void;
  readonly onReply: (message: Message) => void;
  /** The messages that are loaded have changed. */
  readonly onLoaded: (messages: readonly Message[]) => void;
  readonly onAtEnd: (isAtEnd: boolean) => void;
}

/** The messages of a chat, from the newest back; or around the one that somebody came for. */
export function MessageList({ messageId, ...props }: Props & { messageId: Id<"messages"> | null }) {
  return messageId === null ? (
    <Latest {...props} />
  ) : (
    <Around key={messageId} {...props} messageId={messageId} />
  );
}

function Latest(props: Props) {
  const { results, status, loadMore } = usePaginatedQuery(
    getChatMessages,
    { chatId: props.chat._id, order: "desc" },
    { initialNumItems: firstPageItems },
  );
  const messages = useMemo(() => results.toReversed(), [results]);
  return <Loaded {...props} messages={messages} older={{ status, loadMore }} newer={null} targetId={null} />;
}

function Around({ messageId, ...props }: Props & { messageId: Id<"messages"> }) {
  const { _id: chatId } = props.chat;
  const target = useQuery(getMessage, { messageId });
  // Where it stood when it was found: deleting it must not move the two sides.
  const at = useRef<number | null>(null);
  if (target?.chatId === chatId) at.current ??= target._creationTime;
  const isLost = target === null || (target !== undefined && target.chatId !== chatId);
  useEffect(() => {
    if (isLost && at.current === null) openChat(chatId);
  }, [isLost, chatId]);
  const { current: atMs } = at;
  const options = { initialNumItems: aroundItems };
  const older = usePaginatedQuery(
    getChatMessages,
    atMs === null ? "skip" : { chatId, order: "desc", upTo: atMs },
    options,
  );
  const newer = usePaginatedQuery(
    getChatMessages,
    atMs === null ? "skip" : { chatId, order: "asc", after: atMs },
    options,
  );
  const messages = useMemo(
    // Both or none: what comes later would push away what one has begun to read.
    () =>
      older.status === "LoadingFirstPage" || newer.status === "LoadingFirstPage"
        ? []
        : [...older.results.toReversed(), ...newer.results],
    [older.status, older.results, newer.status, newer.results],
  );
  return <Loaded {...props} messages={messages} older={older} newer={newer} targetId={messageId} />;
}

function Loaded({
  chat,
  account,
  onEdit,
  onReply,
  onLoaded,
  messages,
  ...rest
}: Props & Pick<Parameters<typeof MessageFrame>[0], "messages" | "older" | "newer" | "targetId">) {
  const [history, setHistory] = useState<Message | null>(null);
  const actions = useMessageActions(onEdit, onReply, setHistory);
  useEffect(() => onLoaded(messages), [messages, onLoaded]);
  return (
    <>
      <MessageFrame
        {...rest}
        messages={messages}
        ownId={account._id}
        access={chat.access}
        actions={actions}
        emptyText={
          chat.access.canWrite ? "Write the first message below." : "What the others write appears here."
        }
        onGoToNewest={() => openChat(chat._id)}
      />
      {history !== null && <HistoryDialog message={history} onClose={() => setHistory(null)} />}
    </>
  );
}
