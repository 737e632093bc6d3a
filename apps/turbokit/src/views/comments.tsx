import { useMutation, usePaginatedQuery } from "convex/react";
import { api } from "@repo/backend/api";
import type { ProjectId } from "@repo/backend/types";
import { Icon } from "../shell/icons.tsx";
import { Composer } from "../shared/composer.tsx";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { More } from "../shared/more.tsx";
import { Avatar, When } from "../shared/parts.tsx";

/** What is said in a project, the newest first. */
export function Comments({ projectId, canWrite }: { projectId: ProjectId; canWrite: boolean }) {
  const page = usePaginatedQuery(api.messages.list, { projectId }, { initialNumItems: 20 });
  const send = useMutation(api.messages.send);
  const remove = useMutation(api.messages.remove);
  const { run, failure } = useAttempt();
  return (
    <section className="comments" aria-label="Comments">
      <h2>Comments</h2>
      {canWrite && (
        <Composer label="Write a comment" send={async (body) => await send({ projectId, body })} />
      )}
      <Failure text={failure} />
      {page.status === "Exhausted" && page.results.length === 0 && (
        <p className="muted">{canWrite ? "Nobody has said anything yet." : "Comments are switched off."}</p>
      )}
      <ul>
        {page.results.map(({ _id, authorName, authorImageUrl, body, createdAt, isMine }) => (
          <li key={_id}>
            <Avatar name={authorName} image={authorImageUrl} />
            <div>
              <p className="who">
                <strong>{authorName}</strong> <When at={createdAt} />
              </p>
              <p className="said">{body}</p>
            </div>
            {isMine && (
              <button
                type="button"
                className="quiet square"
                aria-label="Delete this comment"
                onClick={() => void run(() => remove({ id: _id }))}
              >
                <Icon name="trash" />
              </button>
            )}
          </li>
        ))}
      </ul>
      <More page={page} count={20} />
    </section>
  );
}
