import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import type { Id } from "../../packages/convex/_generated/dataModel.js";
import { Composer } from "../shared/composer.tsx";
import { failureText } from "../shared/failures.ts";
import { MessageList, timeOf } from "../shared/messages.tsx";

const standings: Readonly<Record<string, string>> = {
  bot: "with the bot",
  queued: "waiting for a person",
  human: "with a colleague",
};

/** Who has it, as people say it. */
function standingOf({ status, agentName }: { status: string; agentName?: string | undefined }): string {
  return status === "human" && agentName !== undefined ? `with ${agentName}` : (standings[status] ?? status);
}

/** One conversation with everything there is to know about it, and what one may do with it. */
export function Talk({
  token,
  conversationId,
  myAgentId,
  close,
}: {
  token: string;
  conversationId: Id<"conversations">;
  myAgentId: Id<"agents"> | null;
  /** Back to the list, where there is room for one of the two only. */
  close: () => void;
}) {
  const conversation = useQuery(api.conversations.getConversation, { token, conversationId });
  const messages = useQuery(api.messages.subscribeToMessages, { token, conversationId });
  const timeline = useQuery(api.analytics.timeline, { token, conversationId });
  const colleagues = useQuery(api.agents.listAgents, { token, kind: "human" });
  const send = useMutation(api.messages.sendMessage);
  const take = useMutation(api.conversations.takeConversation);
  const handOver = useMutation(api.conversations.handOver);
  const escalate = useMutation(api.conversations.escalateConversation);
  const update = useMutation(api.conversations.updateConversation);
  const [failure, setFailure] = useState<string | null>(null);
  if (conversation === undefined || messages === undefined) return <p className="empty">Opening…</p>;
  const attempt = (work: Promise<unknown>) => {
    setFailure(null);
    work.catch((error: unknown) => setFailure(failureText(error)));
  };
  const isMine = conversation.status === "human" && conversation.assignedAgentId === myAgentId;
  const free = colleagues?.filter(
    ({ _id, status, load, loadMax }) => _id !== myAgentId && status === "online" && load < loadMax,
  );
  return (
    <section className="talk" aria-label={conversation.subject}>
      <header>
        <button type="button" className="back" onClick={close}>
          ← All conversations
        </button>
        <h2>{conversation.subject}</h2>
        <p>
          {conversation.customer.name}
          {conversation.customer.email !== undefined && ` · ${conversation.customer.email}`}
          {conversation.customer.verified ? " · verified" : ""} · {standingOf(conversation)}
        </p>
        <div className="choices">
          {conversation.status === "bot" && (
            <button
              type="button"
              onClick={() => attempt(escalate({ token, conversationId, reason: "Taken over by staff" }))}
            >
              Into the queue
            </button>
          )}
          {conversation.status === "queued" && (
            <button
              type="button"
              className="primary"
              onClick={() => attempt(take({ token, conversationId }))}
            >
              Take it
            </button>
          )}
          {isMine && (
            <>
              <button
                type="button"
                className="primary"
                onClick={() => attempt(update({ token, conversationId, status: "resolved" }))}
              >
                Resolve
              </button>
              <button type="button" onClick={() => attempt(handOver({ token, conversationId }))}>
                Back to the queue
              </button>
              <select
                aria-label="Hand over to"
                value=""
                disabled={free === undefined || free.length === 0}
                onChange={(event) =>
                  attempt(handOver({ token, conversationId, toAgentId: event.target.value as Id<"agents"> }))
                }
              >
                <option value="" disabled>
                  Hand over to…
                </option>
                {free?.map(({ _id, name }) => (
                  <option key={_id} value={_id}>
                    {name}
                  </option>
                ))}
              </select>
            </>
          )}
        </div>
        {failure !== null && (
          <p className="failure" role="alert">
            {failure}
          </p>
        )}
      </header>
      <div className="talk-body">
        <MessageList messages={messages} own="agent" />
        <aside>
          {conversation.summary !== undefined && (
            <>
              <h3>Summary</h3>
              <p className="summary">{conversation.summary}</p>
            </>
          )}
          <h3>What happened</h3>
          <ol className="timeline">
            {timeline?.map(({ _id, _creationTime, event }) => (
              <li key={_id}>
                <time>{timeOf(_creationTime)}</time> {event.replaceAll("_", " ")}
              </li>
            ))}
          </ol>
        </aside>
      </div>
      {isMine && (
        <Composer
          label="Your answer"
          token={token}
          send={(message) => send({ token, conversationId, ...message })}
        />
      )}
    </section>
  );
}
