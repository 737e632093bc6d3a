import { useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "@repo/backend/api";
import { Badge, Empty, Heading, Loading, When } from "../shared/parts.tsx";

type Status = FunctionReturnType<typeof api.emails.list>[number]["status"];

const states: Readonly<
  Record<Status, { readonly tone: "good" | "wait" | "bad" | "calm"; readonly text: string }>
> = {
  queued: { tone: "wait", text: "waiting" },
  sent: { tone: "wait", text: "sent" },
  delivered: { tone: "good", text: "delivered" },
  delivery_delayed: { tone: "wait", text: "delayed" },
  bounced: { tone: "bad", text: "bounced" },
  complained: { tone: "bad", text: "marked as spam" },
  failed: { tone: "bad", text: "failed" },
  cancelled: { tone: "calm", text: "cancelled" },
};

/** What TurboKit has written to somebody, and whether it arrived. */
export function Mail() {
  const emails = useQuery(api.emails.list, {});
  return (
    <>
      <Heading title="Mail" lead="What we have sent you, and whether it arrived." />
      {emails === undefined && <Loading rows={4} />}
      {emails?.length === 0 && <Empty icon="mail" title="No mail yet" />}
      <ul className="rows" aria-label="Mails">
        {emails?.map(({ _id, subject, to, status, createdAt }) => (
          <li key={_id}>
            <div>
              <strong>{subject}</strong>
              <p className="muted">
                {to} · <When at={createdAt} />
              </p>
            </div>
            <Badge tone={states[status].tone}>{states[status].text}</Badge>
          </li>
        ))}
      </ul>
    </>
  );
}
