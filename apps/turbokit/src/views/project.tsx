import usePresence from "@convex-dev/presence/react";
import { useAction, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useState } from "react";
import { api } from "@repo/backend/api";
import type { ProjectId } from "@repo/backend/types";
import { Icon } from "../shell/icons.tsx";
import { useMe } from "../shell/me.tsx";
import { follow } from "../shell/router.ts";
import { Missing } from "../shell/shell.tsx";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { Avatar, Badge, Loading } from "../shared/parts.tsx";
import { Comments } from "./comments.tsx";
import { FileList, Uploader } from "./files.tsx";
import { ProjectForm, statuses } from "./projectForm.tsx";

type Opened = NonNullable<FunctionReturnType<typeof api.projects.get>>;

export function Project({ id }: { id: string }) {
  const project = useQuery(api.projects.get, { id: id as ProjectId });
  if (project === undefined) return <Loading rows={3} height={120} />;
  return project === null ? <Missing /> : <Open project={project} />;
}

function Open({ project }: { project: Opened }) {
  const [isEditing, setEditing] = useState(false);
  const { isOwner, settings, status } = project;
  return (
    <>
      <a className="back" href={isOwner ? "/" : "/shared"} onClick={follow}>
        <Icon name="back" /> {isOwner ? "Projects" : "Shared"}
      </a>
      <header className="heading project-heading">
        <div>
          <h1>{project.name}</h1>
          <p className="facts">
            <span className={`dot ${status}`} aria-hidden="true" />
            {statuses.find((each) => each.status === status)?.name}
            {settings.isPublic && <Badge tone="calm">shared</Badge>}
          </p>
        </div>
        <div className="actions">
          <Here projectId={project._id} />
          {isOwner && (
            <button type="button" onClick={() => setEditing(true)}>
              <Icon name="edit" /> Settings
            </button>
          )}
        </div>
      </header>
      <div className="columns">
        <div>
          {project.description !== undefined && project.description !== "" && (
            <p className="description">{project.description}</p>
          )}
          {isOwner && <Summary project={project} />}
          <Comments projectId={project._id} canWrite={isOwner || settings.allowComments} />
        </div>
        <section aria-label="Files" className="side">
          <h2>Files</h2>
          {isOwner && <Uploader projectId={project._id} />}
          <FileList projectId={project._id} canRemove={isOwner} />
        </section>
      </div>
      {isEditing && <ProjectForm project={project} close={() => setEditing(false)} />}
    </>
  );
}

/** Who is looking at this now; live, oneself first. */
function Here({ projectId }: { projectId: ProjectId }) {
  const me = useMe();
  const people = usePresence(api.presence, projectId, me._id)?.filter(({ online }) => online) ?? [];
  const others = people.filter(({ userId }) => userId !== me._id).map(({ name }) => name ?? "Somebody");
  const text = others.length === 0 ? "Only you are here" : `Here now: you, ${others.join(", ")}`;
  return (
    <p className="here" aria-live="polite">
      <span className="hidden">{text}</span>
      {people.slice(0, 5).map(({ userId, name = "Somebody", image }) => (
        <Avatar
          key={userId}
          name={name}
          image={image}
          title={userId === me._id ? "You" : `${name} is here`}
        />
      ))}
      {people.length > 5 && <span className="muted">+{people.length - 5}</span>}
    </p>
  );
}

function Summary({ project }: { project: Opened }) {
  const summarize = useAction(api.app.ai.actions.generateSummary);
  const { run, failure, isBusy } = useAttempt();
  return (
    <section className="summary" aria-label="Summary" aria-busy={isBusy}>
      <header>
        <h2>
          <Icon name="spark" /> Summary
        </h2>
        <button
          type="button"
          className="quiet small"
          disabled={isBusy}
          onClick={() => void run(() => summarize({ projectId: project._id }))}
        >
          {isBusy ? "Writing…" : project.summary === undefined ? "Summarize" : "Write it anew"}
        </button>
      </header>
      <p className={project.summary === undefined ? "muted" : undefined}>
        {project.summary ?? "What it is about and where it stands, in a few sentences. Uses credits."}
      </p>
      <Failure text={failure} />
    </section>
  );
}
