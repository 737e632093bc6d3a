import type { FunctionReturnType } from "convex/server";
import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../../packages/convex/_generated/api.js";
import type { Id } from "../../packages/convex/_generated/dataModel.js";
import { failureText } from "../shared/failures.ts";
import { timeOf } from "../shared/messages.tsx";
import { Talk } from "./talk.tsx";

type Row = FunctionReturnType<typeof api.conversations.listByStatus>[number];

/** The queue, one's own conversations, those of the bot; and the one that is open. */
export function Desk({ token }: { token: string }) {
  const [openId, setOpenId] = useState<Id<"conversations"> | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const queue = useQuery(api.conversations.listByStatus, { token, status: "queued" });
  const me = useQuery(api.agents.getMe, { token });
  const mine = useQuery(api.conversations.listMine, me === undefined || me === null ? "skip" : { token });
  const bot = useQuery(api.conversations.listByStatus, { token, status: "bot" });
  const take = useMutation(api.conversations.takeConversation);
  return (
    <main className={openId === null ? "desk" : "desk has-open"}>
      <aside>
        {failure !== null && (
          <p className="failure" role="alert">
            {failure}
          </p>
        )}
        <List title="Queue" rows={queue} openId={openId} open={setOpenId} empty="Nobody is waiting." />
        <button
          type="button"
          className="primary"
          disabled={me === undefined || me === null || (queue?.length ?? 0) === 0}
          onClick={() => {
            setFailure(null);
            take({ token })
              .then((id) => id !== null && setOpenId(id))
              .catch((error: unknown) => setFailure(failureText(error)));
          }}
        >
          Take the next one
        </button>
        <List
          title="Yours"
          rows={me === null ? [] : mine}
          openId={openId}
          open={setOpenId}
          empty="None at the moment."
        />
        <List
          title="With the bot"
          rows={bot}
          openId={openId}
          open={setOpenId}
          empty="The bot has nothing to do."
        />
      </aside>
      {openId === null ? (
        <p className="empty">Choose a conversation, or take the next one from the queue.</p>
      ) : (
        <Talk
          key={openId}
          token={token}
          conversationId={openId}
          myAgentId={me?._id ?? null}
          close={() => setOpenId(null)}
        />
      )}
    </main>
  );
}

function List({
  title,
  rows,
  openId,
  open,
  empty,
}: {
  title: string;
  rows: readonly Row[] | undefined;
  openId: Id<"conversations"> | null;
  open: (id: Id<"conversations">) => void;
  empty: string;
}) {
  return (
    <section aria-label={title}>
      <h2>
        {title} <span className="count">{rows?.length ?? ""}</span>
      </h2>
      {rows?.length === 0 && <p className="empty">{empty}</p>}
      <ul>
        {rows?.map((row) => (
          <li key={row._id}>
            <button
              type="button"
              aria-current={row._id === openId ? "true" : undefined}
              onClick={() => open(row._id)}
            >
              <strong>
                {row.priority !== "normal" && <span className={`tag ${row.priority}`}>{row.priority}</span>}
                {row.subject}
              </strong>
              <span>
                {row.customer.name} · {row.channel === "sms" ? "SMS" : "web"} ·{" "}
                {timeOf(row.queuedAt ?? row.lastMessageAt)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
