import { useMutation } from "convex/react";
import { useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import type { Account, Chat, Profile } from "../convex/model/views.ts";
import { Avatar } from "./avatar.tsx";
import { untitled } from "./chatLists.tsx";
import { ConfirmDialog, PromptDialog } from "./dialog.tsx";
import { BackIcon, MoreIcon, ShareIcon } from "./icons.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
import { useDeleteChat } from "./messageMutations.ts";
import { openChat } from "./route.ts";
import { ShareDialog } from "./shareDialog.tsx";
import { useAttempt, useToast } from "./toasts.tsx";

export function ChatHeader({
  chat,
  account,
}: {
  chat: Chat & { members: readonly Profile[] };
  account: Account;
}) {
  const [dialog, setDialog] = useState<"rename" | "share" | "delete" | "leave" | null>(null);
  const updateChat = useMutation(api.functions.mutations.chats.updateChat);
  const leaveChat = useMutation(api.functions.mutations.shares.leaveChat);
  const deleteChat = useDeleteChat();
  const attempt = useAttempt();
  const toast = useToast();
  const close = () => setDialog(null);
  const { isOwner, canShare } = chat.access;
  const title = chat.title ?? untitled;

  const items: MenuItem[] = isOwner
    ? [
        { label: "Rename", onSelect: () => setDialog("rename") },
        {
          label: chat.isArchived ? "Take out of the archive" : "Archive",
          onSelect: () =>
            attempt(async () => {
              await updateChat({ chatId: chat._id, isArchived: !chat.isArchived });
              toast(chat.isArchived ? "Back in your chats." : "Moved to the archive.");
            }),
        },
        { label: "Delete…", isDangerous: true, onSelect: () => setDialog("delete") },
      ]
    : [{ label: "Leave chat…", isDangerous: true, onSelect: () => setDialog("leave") }];

  return (
    <header className="chat-head">
      <button
        type="button"
        className="icon-button back"
        aria-label="Back to the list"
        onClick={() => openChat(null)}
      >
        <BackIcon />
      </button>
      <div className="chat-title">
        <h1>
          {isOwner ? (
            <button type="button" className="title-button" title="Rename" onClick={() => setDialog("rename")}>
              {title}
            </button>
          ) : (
            title
          )}
        </h1>
        <p className="muted">{subtitle(chat, chat.members, account)}</p>
      </div>
      {chat.members.length > 1 && (
        <span className="members" aria-hidden="true">
          {chat.members.slice(0, 4).map((member) => (
            <Avatar key={member._id} person={member} size="small" />
          ))}
        </span>
      )}
      {canShare && (
        <button type="button" className="soft" aria-label="Share" onClick={() => setDialog("share")}>
          <ShareIcon />
          <span className="button-text">Share</span>
        </button>
      )}
      <Menu label="Chat options" items={items}>
        <MoreIcon />
      </Menu>
      {dialog === "share" && <ShareDialog chat={chat} onClose={close} />}
      {dialog === "rename" && (
        <PromptDialog
          title="Rename chat"
          label="Title"
          initial={chat.title ?? ""}
          maxLength={limits.titleLengthMax}
          action="Rename"
          onSubmit={(text) => updateChat({ chatId: chat._id, title: text })}
          onClose={close}
        />
      )}
      {dialog === "delete" && (
        <ConfirmDialog
          title="Delete this chat?"
          action="Delete chat"
          onConfirm={async () => {
            openChat(null);
            await deleteChat(chat._id);
            toast("Chat deleted.");
          }}
          onClose={close}
        >
          <p>
            &ldquo;{title}&rdquo; and its {chat.messageCount.toLocaleString()}{" "}
            {chat.messageCount === 1 ? "message" : "messages"} are deleted for everyone it is shared with.
            This cannot be undone.
          </p>
        </ConfirmDialog>
      )}
      {dialog === "leave" && (
        <ConfirmDialog
          title="Leave this chat?"
          action="Leave"
          onConfirm={async () => {
            openChat(null);
            await leaveChat({ chatId: chat._id });
          }}
          onClose={close}
        >
          <p>You will not see it any more, unless it is shared with you again. What you wrote stays.</p>
        </ConfirmDialog>
      )}
    </header>
  );
}

function subtitle(chat: Chat, members: readonly Profile[], account: Account): string {
  const others = members.filter(({ _id }) => _id !== account._id).map(({ name }) => name);
  const parts = [
    others.length === 0
      ? "Only you"
      : new Intl.ListFormat("en").format([
          "You",
          ...others.slice(0, 3),
          ...(others.length > 3 ? ["others"] : []),
        ]),
    `${chat.messageCount.toLocaleString()} ${chat.messageCount === 1 ? "message" : "messages"}`,
  ];
  if (chat.isArchived) parts.push("archived");
  if (!chat.access.canWrite) parts.push("read only");
  return parts.join(" · ");
}
