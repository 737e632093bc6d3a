import { useMutation, useQuery } from "convex/react";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { api } from "@repo/backend/api";
import type { Project, ProjectStatus } from "@repo/backend/types";
import { Icon } from "../shell/icons.tsx";
import { follow } from "../shell/router.ts";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { Badge, Empty, Heading, Loading, When } from "../shared/parts.tsx";
import { ProjectForm, statuses } from "./projectForm.tsx";

/** One's own projects: a board, or what a search finds. */
export function Projects() {
  const [words, setWords] = useState("");
  const [isNew, setNew] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const { target } = event;
      const isTyping = target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (
        isTyping ||
        event.metaKey ||
        event.ctrlKey ||
        event.altKey ||
        document.querySelector("dialog[open]")
      )
        return;
      if (event.key === "/") search.current?.focus();
      else if (event.key === "n") setNew(true);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
  return (
    <>
      <Heading title="Projects">
        <label className="search">
          <Icon name="search" />
          <span className="hidden">Search your projects</span>
          <input
            ref={search}
            type="search"
            value={words}
            placeholder="Search"
            maxLength={200}
            onChange={(event) => setWords(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && setWords("")}
          />
          <kbd aria-hidden="true">/</kbd>
        </label>
        <button
          type="button"
          className="primary"
          onClick={() => setNew(true)}
          aria-keyshortcuts="n"
          title="New project (n)"
        >
          <Icon name="plus" /> New project
        </button>
      </Heading>
      {words.trim() === "" ? <Board create={() => setNew(true)} /> : <Found words={words.trim()} />}
      {isNew && <ProjectForm project={null} close={() => setNew(false)} />}
    </>
  );
}

function Board({ create }: { create: () => void }) {
  const projects = useQuery(api.projects.list, {});
  if (projects === undefined) return <Loading rows={3} height={140} />;
  if (projects.length === 0)
    return (
      <Empty icon="board" title="A board with room for anything">
        <p>Start with a draft; nobody sees it but you.</p>
        <button type="button" className="primary" onClick={create}>
          Make your first project
        </button>
      </Empty>
    );
  return (
    <div className="board">
      {statuses.map(({ status, name }) => {
        const rows = projects.filter((project) => project.status === status).toReversed();
        return (
          <section key={status} aria-label={name}>
            <h2>
              <span className={`dot ${status}`} aria-hidden="true" />
              {name} <span className="count">{rows.length}</span>
            </h2>
            {rows.length === 0 && <p className="column-empty">None</p>}
            <ul>
              {rows.map((project) => (
                <Card key={project._id} project={project} />
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

/** Where a card can go from each column. */
const moves: Readonly<Record<ProjectStatus, { readonly to: ProjectStatus; readonly name: string }>> = {
  draft: { to: "active", name: "Start" },
  active: { to: "archived", name: "Archive" },
  archived: { to: "active", name: "Reopen" },
};

function Card({ project }: { project: Project }) {
  const update = useMutation(api.projects.update).withOptimisticUpdate((store, { id, status }) => {
    const rows = store.getQuery(api.projects.list, {});
    if (rows === undefined || status === undefined) return;
    store.setQuery(
      api.projects.list,
      {},
      rows.map((row) => (row._id === id ? { ...row, status } : row)),
    );
  });
  const { run, failure } = useAttempt();
  const { to, name } = moves[project.status];
  return (
    <li className="card">
      <a href={`/projects/${project._id}`} onClick={follow}>
        <strong>{project.name}</strong>
        {project.description !== undefined && project.description !== "" && <p>{project.description}</p>}
      </a>
      <footer>
        {project.settings.isPublic && <Badge tone="calm">shared</Badge>}
        <When at={project.updatedAt} />
        <button
          type="button"
          className="quiet small"
          aria-label={`${name}: ${project.name}`}
          onClick={() => void run(() => update({ id: project._id, status: to }))}
        >
          {name}
        </button>
      </footer>
      <Failure text={failure} />
    </li>
  );
}

function Found({ words }: { words: string }) {
  const query = useDeferredValue(words);
  const projects = useQuery(api.projects.search, { query });
  const track = useMutation(api.analytics.track);
  useEffect(() => {
    // When somebody has stopped typing.
    const timer = setTimeout(() => {
      track({ event: "search_used", properties: { length: query.length } }).catch(() => {});
    }, 1_000);
    return () => clearTimeout(timer);
  }, [track, query]);
  if (projects === undefined) return <Loading rows={2} height={72} />;
  if (projects.length === 0)
    return (
      <Empty icon="search" title={`Nothing is called “${query}”`}>
        <p>The search looks at the names of your own projects.</p>
      </Empty>
    );
  return (
    <ul className="rows" aria-label="Found">
      {projects.map(({ _id, name, status, description }) => (
        <li key={_id}>
          <a href={`/projects/${_id}`} onClick={follow}>
            <span className={`dot ${status}`} aria-hidden="true" />
            <strong>{name}</strong>
            <span className="muted">{description}</span>
            <span className="muted">{status}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}
