import { useMutation, useQuery } from "convex/react";
import { useId, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import type { Chat } from "../convex/model/views.ts";
import { Avatar } from "./avatar.tsx";
import { Dialog, FormFailure, useSubmit } from "./dialog.tsx";
import { CloseIcon } from "./icons.tsx";
import { useAttempt } from "./toasts.tsx";

/** With whom a chat is shared, live, and a form to share it with one more person. */
export function ShareDialog({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const [email, setEmail] = useState("");
  const [right, setRight] = useState<"write" | "read">("write");
  const shares = useQuery(api.functions.queries.shares.getChatShares, { chatId: chat._id });
  const shareChat = useMutation(api.functions.mutations.shares.shareChat);
  const revokeShare = useMutation(api.functions.mutations.shares.revokeShare);
  const inputRef = useRef<HTMLInputElement>(null);
  const emailId = useId();
  const rightId = useId();
  const attempt = useAttempt();
  const { run, failure, isBusy } = useSubmit(() => {
    setEmail("");
    inputRef.current?.focus();
  });

  return (
    <Dialog title="Share this chat" onClose={onClose}>
      <form
        onSubmit={(event) =>
          run(event, () => shareChat({ chatId: chat._id, email, canRead: true, canWrite: right === "write" }))
        }
      >
        <label htmlFor={emailId}>E-mail of the other person</label>
        <div className="row share-row">
          <input
            ref={inputRef}
            id={emailId}
            type="email"
            autoFocus
            required
            maxLength={limits.emailLengthMax}
            placeholder="grace@example.com"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
          <label htmlFor={rightId} className="visually-hidden">
            What they may do
          </label>
          <select
            id={rightId}
            value={right}
            onChange={(event) => setRight(event.target.value === "read" ? "read" : "write")}
          >
            {chat.access.canWrite && <option value="write">Can write</option>}
            <option value="read">Can read</option>
          </select>
          <button type="submit" className="primary" disabled={isBusy || email.trim() === ""}>
            Share
          </button>
        </div>
        <p className="field-hint">Whoever has no account yet gets a mail.</p>
        <FormFailure text={failure} />
      </form>
      {shares !== undefined && shares.length > 0 && (
        <ul className="people" aria-label="Shared with">
          {shares.map((share) => (
            <li key={share._id}>
              {share.user !== null && <Avatar person={share.user} size="small" />}
              <span className="who">
                <span className="who-name">{share.user?.name ?? "Invited"}</span>
                <span className="who-email">{share.email}</span>
              </span>
              <span className="muted">{share.permissions.canWrite ? "can write" : "can read"}</span>
              {chat.access.isOwner && (
                <button
                  type="button"
                  className="icon-button small"
                  aria-label={`Stop sharing with ${share.user?.name ?? share.email ?? ""}`}
                  title="Stop sharing"
                  onClick={() => attempt(() => revokeShare({ shareId: share._id }))}
                >
                  <CloseIcon />
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}
