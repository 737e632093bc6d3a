import { useMutation } from "convex/react";
import { useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import type { Id } from "../convex/_generated/dataModel.js";
import type { Account, ChatDetails } from "../convex/model/views.ts";
import { Avatar } from "./avatar.tsx";
import { untitled } from "./chatLists.tsx";
import { ChatSettingsDialog } from "./chatSettingsDialog.tsx";
import { ConfirmDialog, PromptDialog } from "./dialog.tsx";
import { FilesDialog } from "./filesDialog.tsx";
import { MenuIcon, MoreIcon, ShareIcon } from "./icons.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
import { openChat } from "./route.ts";
import { ShareDialog } from "./shareDialog.tsx";
import { useShortcuts } from "./shortcuts.ts";
import { useAttempt, useToast } from "./toasts.tsx";

type Opened = "rename" | "share" | "settings" | "files" | "delete" | "leave";

export function ChatHeader({
  chat,
  account,
  online,
  onShowList,
}: {
  chat: ChatDetails;
  account: Account;
  /** Who else has the chat open. */
  online: ReadonlySet<Id<"users">>;
  onShowList: () => void;
}) {
  const [dialog, setDialog] = useState<Opened | null>(null);
  const updateChat = useMutation(api.functions.mutations.chats.updateChat);
  const leaveChat = useMutation(api.functions.mutations.shares.leaveChat);
  const deleteChat = useMutation(api.functions.mutations.chats.deleteChat);
  const attempt = useAttempt();
  const toast = useToast();
  const close = () => setDialog(null);
  const { isOwner, canShare } = chat.access;
  const title = chat.title ?? untitled;

  useShortcuts({
    files: () => setDialog("files"),
    ...(canShare ? { share: () => setDialog("share") } : {}),
    ...(isOwner ? { settings: () => setDialog("settings") } : {}),
  });

  const files: MenuItem = { label: "Files", onSelect: () => setDialog("files") };
  const items: MenuItem[] = isOwner
    ? [
        { label: "Settings", onSelect: () => setDialog("settings") },
        files,
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
    : [files, { label: "Leave chat…", isDangerous: true, onSelect: () => setDialog("leave") }];

  return (
    <header className="chat-head">
      <button
        type="button"
        className="icon-button back"
        aria-label="Show the list of chats"
        onClick={onShowList}
      >
        <MenuIcon />
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
        <p className="muted">{subtitle(chat, account, online)}</p>
        {chat.tags.length > 0 && (
          <ul className="chat-tags" aria-label="Tags">
            {chat.tags.map((tag) => (
              <li key={tag} className="tag">
                {tag}
              </li>
            ))}
          </ul>
        )}
      </div>
      {chat.members.length > 1 && (
        <span className="members" aria-hidden="true">
          {chat.members.slice(0, 4).map((member) => (
            <Avatar key={member._id} person={member} size="small" isOnline={online.has(member._id)} />
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
      {dialog === "settings" && <ChatSettingsDialog chat={chat} onClose={close} />}
      {dialog === "files" && <FilesDialog chat={chat} account={account} onClose={close} />}
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
            await deleteChat({ chatId: chat._id });
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

function subtitle(chat: ChatDetails, account: Account, online: ReadonlySet<Id<"users">>): string {
  const others = chat.members.filter(({ _id }) => _id !== account._id);
  const names = others.slice(0, 3).map(({ name }) => name);
  const here = others.filter(({ _id }) => online.has(_id));
  const parts = [
    others.length === 0
      ? chat.isShared
        ? "You, and who has the link"
        : "Only you"
      : new Intl.ListFormat("en").format(["You", ...names, ...(others.length > 3 ? ["others"] : [])]),
    ...(here.length === 0
      ? []
      : [here.length === 1 && here[0] !== undefined ? `${here[0].name} is here` : `${here.length} are here`]),
    `${chat.messageCount.toLocaleString()} ${chat.messageCount === 1 ? "message" : "messages"}`,
  ];
  if (chat.isArchived) parts.push("archived");
  if (!chat.access.canWrite) parts.push("read only");
  return parts.join(" · ");
}
