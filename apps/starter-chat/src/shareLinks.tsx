import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { ChatDetails, ShareLink } from "../convex/model/views.ts";
import { CopyButton } from "./copyButton.tsx";
import { FormFailure, useSubmit } from "./dialog.tsx";
import { CloseIcon, LinkIcon } from "./icons.tsx";
import { sharedHref } from "./route.ts";
import {
  endOfSpan,
  endText,
  permissionsOf,
  type Rights,
  RightsSelect,
  rightsOf,
  SpanSelect,
} from "./shareRights.tsx";
import { useAttempt, useToast } from "./toasts.tsx";

const week = 3;

/** The links of a chat, live, and a form for one more. */
export function ShareLinks({ chat }: { chat: ChatDetails }) {
  const [rights, setRights] = useState<Rights>("read");
  const [span, setSpan] = useState(week);
  const links = useQuery(api.functions.queries.shares.getShareLinks, { chatId: chat._id });
  const createShareLink = useMutation(api.functions.mutations.shares.createShareLink);
  const toast = useToast();
  const { run, failure, isBusy } = useSubmit();
  const create = async () => {
    const { token } = await createShareLink({
      chatId: chat._id,
      ...permissionsOf(rights, chat.access),
      ...endOfSpan(span),
    });
    await navigator.clipboard.writeText(addressOf(token)).then(
      () => toast("The link is copied."),
      // It stands in the list; the browser may not allow copying.
      () => {},
    );
  };

  return (
    <>
      <form onSubmit={(event) => run(event, create)}>
        <p className="dialog-text">
          Whoever has the link can read the chat without an account. To write, they sign in.
        </p>
        <div className="share-row links">
          <RightsSelect
            label="What the link allows"
            value={rights}
            access={chat.access}
            onChange={setRights}
          />
          <SpanSelect label="How long it works" value={span} onChange={setSpan} />
          <button type="submit" className="primary" disabled={isBusy}>
            Create link
          </button>
        </div>
        <FormFailure text={failure} />
      </form>
      {links !== undefined && links.length > 0 && (
        <ul className="people" aria-label="Links">
          {links.map((link) => (
            <LinkEntry key={link._id} link={link} canRevoke={chat.access.isOwner} />
          ))}
        </ul>
      )}
    </>
  );
}

function LinkEntry({ link, canRevoke }: { link: ShareLink; canRevoke: boolean }) {
  const revokeShare = useMutation(api.functions.mutations.shares.revokeShare);
  const attempt = useAttempt();
  const toast = useToast();
  const used = link.accessCount === 1 ? "opened once" : `opened ${link.accessCount.toLocaleString()} times`;
  const made = new Date(link.createdAt).toLocaleString(undefined, {
    dateStyle: "medium",
    timeStyle: "short",
  });
  return (
    <li>
      <span className="link-mark" aria-hidden="true">
        <LinkIcon />
      </span>
      <span className="who">
        <a className="who-name" href={sharedHref(link.token)} title={`Made ${made}`}>
          Link to {rightsOf(link.permissions)}
        </a>
        <span className="who-email">
          {endText(link.expiresAt)} · {link.accessCount === 0 ? "not opened yet" : used}
        </span>
      </span>
      <CopyButton
        label="Copy the link"
        title="Copy the link"
        text={addressOf(link.token)}
        onRefused={() => toast("The browser did not allow copying.", "error")}
      />
      {canRevoke && (
        <button
          type="button"
          className="icon-button small"
          aria-label="End the link"
          title="End the link"
          onClick={() => attempt(() => revokeShare({ shareId: link._id }))}
        >
          <CloseIcon />
        </button>
      )}
    </li>
  );
}

function addressOf(token: string): string {
  const { origin, pathname } = window.location;
  return `${origin}${pathname}${sharedHref(token)}`;
}
