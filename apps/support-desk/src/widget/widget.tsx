import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import type { Id } from "../../packages/convex/_generated/dataModel.js";
import { Composer } from "../shared/composer.tsx";
import { failureText } from "../shared/failures.ts";
import { MessageList } from "../shared/messages.tsx";
import { useSession } from "../shared/session.tsx";
import { SignInForm } from "../shared/signInForm.tsx";
import { Account } from "./account.tsx";

type View = Id<"conversations"> | "new" | "account" | null;

/** The customer's side: who they are, then their conversations, then one of them. */
export function Widget() {
  const { token, end } = useSession();
  const [open, setOpen] = useState<View>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") window.parent.postMessage("support-desk:close", "*");
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <main className="widget">
      <header>
        {open !== null && token !== null && (
          <button type="button" aria-label="All conversations" onClick={() => setOpen(null)}>
            ←
          </button>
        )}
        <h1>How can we help?</h1>
        {token !== null && open === null && (
          <button type="button" onClick={end}>
            Sign out
          </button>
        )}
      </header>
      {token === null ? (
        <SignInForm asksName intro="Tell us who you are, and where to reach you if you have to leave." />
      ) : open === null ? (
        <Conversations token={token} open={setOpen} />
      ) : open === "account" ? (
        <Account
          token={token}
          end={() => {
            setOpen(null);
            end();
          }}
        />
      ) : open === "new" ? (
        <NewConversation token={token} open={setOpen} />
      ) : (
        <Conversation token={token} conversationId={open} />
      )}
    </main>
  );
}

function Conversations({ token, open }: { token: string; open: (view: View) => void }) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.conversations.getUserConversations,
    { token },
    { initialNumItems: 10 },
  );
  const isEmpty = status === "Exhausted" && results.length === 0;
  useEffect(() => {
    // Somebody without a past has come to ask.
    if (isEmpty) open("new");
  }, [isEmpty, open]);
  if (status === "LoadingFirstPage") return <p className="empty">Opening…</p>;
  return (
    <div className="conversations">
      <button type="button" className="primary" onClick={() => open("new")}>
        Ask something new
      </button>
      <ul>
        {results.map(({ _id, subject, status: state, lastMessageAt }) => (
          <li key={_id}>
            <button type="button" onClick={() => open(_id)}>
              <strong>{subject}</strong>
              <span>
                {stateText[state]} · {new Date(lastMessageAt).toLocaleDateString()}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {status === "CanLoadMore" && (
        <button type="button" onClick={() => loadMore(10)}>
          Older ones
        </button>
      )}
      <button type="button" className="quiet" onClick={() => open("account")}>
        Your data
      </button>
    </div>
  );
}

const stateText = {
  bot: "open",
  queued: "waiting for somebody",
  human: "with somebody",
  resolved: "resolved",
  closed: "closed",
} as const;

function NewConversation({ token, open }: { token: string; open: (id: Id<"conversations">) => void }) {
  const create = useMutation(api.conversations.createConversation);
  return (
    <>
      <p className="empty">Ask us anything about repairs, prices, or something you bought here.</p>
      <Composer
        label="Your question"
        token={token}
        send={async (message) => open(await create({ token, ...message }))}
      />
    </>
  );
}

function Conversation({ token, conversationId }: { token: string; conversationId: Id<"conversations"> }) {
  const conversation = useQuery(api.conversations.getConversation, { token, conversationId });
  const messages = useQuery(api.messages.subscribeToMessages, { token, conversationId });
  const send = useMutation(api.messages.sendMessage);
  const escalate = useMutation(api.conversations.escalateConversation);
  const update = useMutation(api.conversations.updateConversation);
  const [failure, setFailure] = useState<string | null>(null);
  if (conversation === undefined || messages === undefined) return <p className="empty">Opening…</p>;
  const attempt = (work: Promise<unknown>) => {
    setFailure(null);
    work.catch((error: unknown) => setFailure(failureText(error)));
  };
  const isOpen = ["bot", "queued", "human"].includes(conversation.status);
  return (
    <>
      <MessageList messages={messages} own="customer" />
      {failure !== null && (
        <p className="failure" role="alert">
          {failure}
        </p>
      )}
      <p className="choices">
        {conversation.status === "bot" && (
          <button type="button" onClick={() => attempt(escalate({ token, conversationId }))}>
            Talk to a person
          </button>
        )}
        {isOpen && (
          <button
            type="button"
            onClick={() => attempt(update({ token, conversationId, status: "resolved" }))}
          >
            That answers it
          </button>
        )}
      </p>
      {conversation.status === "resolved" && conversation.stars === undefined && (
        <Rating token={token} conversationId={conversationId} />
      )}
      <Composer
        label={isOpen ? "Write a message" : "Write to open it again"}
        token={token}
        send={(message) => send({ token, conversationId, ...message })}
      />
    </>
  );
}

function Rating({ token, conversationId }: { token: string; conversationId: Id<"conversations"> }) {
  const rate = useMutation(api.conversations.rateConversation);
  const [failure, setFailure] = useState<string | null>(null);
  return (
    <fieldset className="rating">
      <legend>How was it?</legend>
      {[1, 2, 3, 4, 5].map((stars) => (
        <button
          key={stars}
          type="button"
          aria-label={`${stars} ${stars === 1 ? "star" : "stars"}`}
          onClick={() =>
            void rate({ token, conversationId, stars }).catch((error: unknown) =>
              setFailure(failureText(error)),
            )
          }
        >
          ★
        </button>
      ))}
      {failure !== null && <p role="alert">{failure}</p>}
    </fieldset>
  );
}
