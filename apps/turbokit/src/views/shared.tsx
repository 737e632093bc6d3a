import { usePaginatedQuery } from "convex/react";
import { api } from "@repo/backend/api";
import { follow } from "../shell/router.ts";
import { Empty, Heading, Loading, When } from "../shared/parts.tsx";
import { More } from "../shared/more.tsx";

/** What others let everybody see. */
export function Shared() {
  const page = usePaginatedQuery(api.projects.listPublic, {}, { initialNumItems: 20 });
  return (
    <>
      <Heading title="Shared" lead="Projects that others have opened for everybody." />
      {page.status === "LoadingFirstPage" && <Loading rows={4} />}
      {page.status === "Exhausted" && page.results.length === 0 && (
        <Empty icon="shared" title="Nothing is shared yet">
          <p>In a project’s settings its owner decides who may see it.</p>
        </Empty>
      )}
      <ul className="rows">
        {page.results.map(({ _id, name, description, updatedAt }) => (
          <li key={_id}>
            <a href={`/projects/${_id}`} onClick={follow}>
              <strong>{name}</strong>
              <span className="muted">{description}</span>
              <When at={updatedAt} />
            </a>
          </li>
        ))}
      </ul>
      <More page={page} count={20} />
    </>
  );
}
