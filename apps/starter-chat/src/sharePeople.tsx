import { useMutation, useQuery } from "convex/react";
import { useId, useRef, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import type { ChatDetails, Share } from "../convex/model/views.ts";
import { Avatar } from "./avatar.tsx";
import { FormFailure, useSubmit } from "./dialog.tsx";
import { CloseIcon } from "./icons.tsx";
import {
  endOfSpan,
  endText,
  permissionsOf,
  type Rights,
  RightsSelect,
  rightsOf,
  SpanSelect,
} from "./shareRights.tsx";
import { useAttempt } from "./toasts.tsx";

/** The people a chat is shared with, live, and a form for one more. */
export function SharePeople({ chat }: { chat: ChatDetails }) {
  const [email, setEmail] = useState("");
  const [rights, setRights] = useState<Rights>(chat.access.canWrite ? "write" : "read");
  const [span, setSpan] = useState(0);
  const shares = useQuery(api.functions.queries.shares.getChatShares, { chatId: chat._id });
  const shareChat = useMutation(api.functions.mutations.shares.shareChat);
  const inputRef = useRef<HTMLInputElement>(null);
  const emailId = useId();
  const { run, failure, isBusy } = useSubmit(() => {
    setEmail("");
    inputRef.current?.focus();
  });
  const share = () =>
    shareChat({ chatId: chat._id, email, ...permissionsOf(rights, chat.access), ...endOfSpan(span) });

  return (
    <>
      <form onSubmit={(event) => run(event, share)}>
        <label htmlFor={emailId}>E-mail of the other person</label>
        <div className="share-row">
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
          <RightsSelect label="What they may do" value={rights} access={chat.access} onChange={setRights} />
          <SpanSelect label="How long" value={span} onChange={setSpan} />
          <button type="submit" className="primary" disabled={isBusy || email.trim() === ""}>
            Share
          </button>
        </div>
        <p className="field-hint">
          Somebody without an account gets a mail, and the chat once they have signed up.
        </p>
        <FormFailure text={failure} />
      </form>
      {shares !== undefined && shares.length > 0 && (
        <ul className="people" aria-label="Shared with">
          {shares.map((share) => (
            <Person key={share._id} share={share} chat={chat} />
          ))}
        </ul>
      )}
    </>
  );
}

function Person({ share, chat }: { share: Share; chat: ChatDetails }) {
  const updateShare = useMutation(api.functions.mutations.shares.updateShare);
  const revokeShare = useMutation(api.functions.mutations.shares.revokeShare);
  const attempt = useAttempt();
  const name = share.user?.name ?? share.email ?? "Somebody";
  const rights = rightsOf(share.permissions);
  const until = share.expiresAt === undefined ? [] : [endText(share.expiresAt)];
  return (
    <li>
      <Avatar person={share.user ?? { _id: share._id, name }} size="small" />
      <span className="who">
        <span className="who-name">{name}</span>
        <span className="who-email">
          {[share.isPending ? "invited" : (share.email ?? ""), ...until]
            .filter((text) => text !== "")
            .join(" · ")}
        </span>
      </span>
      {chat.access.isOwner ? (
        <>
          <RightsSelect
            label={`What ${name} may do`}
            value={rights}
            access={chat.access}
            onChange={(next) =>
              attempt(() => updateShare({ shareId: share._id, ...permissionsOf(next, chat.access) }))
            }
          />
          <button
            type="button"
            className="icon-button small"
            aria-label={`Stop sharing with ${name}`}
            title="Stop sharing"
            onClick={() => attempt(() => revokeShare({ shareId: share._id }))}
          >
            <CloseIcon />
          </button>
        </>
      ) : (
        <span className="muted">{`can ${rights}`}</span>
      )}
    </li>
  );
}
