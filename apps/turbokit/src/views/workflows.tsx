import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { api } from "@repo/backend/api";
import { follow } from "../shell/router.ts";
import { Failure, useAttempt } from "../shared/feedback.tsx";
import { More } from "../shared/more.tsx";
import { Badge, Empty, Heading, Loading, When } from "../shared/parts.tsx";
import { sentence } from "./onboarding.tsx";

type Row = FunctionReturnType<typeof api.workflows.admin.list>["page"][number];

const tones: Readonly<Record<string, "good" | "wait" | "bad" | "calm">> = {
  running: "wait",
  waiting: "wait",
  completed: "good",
  success: "good",
  failed: "bad",
};

/** For admins: what goes on in the background, step by step, live. */
export function Workflows({ openId }: { openId: string | null }) {
  const page = usePaginatedQuery(api.workflows.admin.list, {}, { initialNumItems: 25 });
  const open = page.results.find(({ workflowId }) => workflowId === openId);
  return (
    <>
      <Heading title="Workflows" lead="What the server does on its own, through restarts and failures." />
      {page.status === "LoadingFirstPage" && <Loading rows={4} />}
      {page.status === "Exhausted" && page.results.length === 0 && (
        <Empty icon="flow" title="Nothing has been started yet" />
      )}
      <div className={open === undefined ? "flows" : "flows two"}>
        <ul className="rows" aria-label="Workflows">
          {page.results.map((row) => (
            <li key={row.workflowId}>
              <a
                href={`/workflows/${row.workflowId}`}
                onClick={follow}
                aria-current={row.workflowId === openId ? "true" : undefined}
              >
                <div>
                  <strong>{sentence(row.name)}</strong>
                  <p className="muted">
                    {row.userName} · {row.email} · <When at={row.updatedAt} />
                  </p>
                </div>
                <State state={row.state} />
              </a>
            </li>
          ))}
        </ul>
        {open !== undefined && <Steps row={open} />}
      </div>
      <More page={page} count={25} />
    </>
  );
}

function State({ state }: { state: string }) {
  return (
    <Badge tone={tones[state] ?? "calm"}>
      {state === "running" && <span className="pulse" aria-hidden="true" />}
      {state}
    </Badge>
  );
}

function Steps({ row }: { row: Row }) {
  const steps = useQuery(api.workflows.admin.steps, { workflowId: row.workflowId });
  const cancel = useMutation(api.workflows.admin.cancel);
  const restart = useMutation(api.workflows.admin.restart);
  const { run, failure, isBusy } = useAttempt();
  // What was under way when it was cancelled goes on no more.
  const shown = (status: string) => (status === "running" && row.state === "failed" ? "stopped" : status);
  const isUnderWay = row.state === "running" || row.state === "waiting";
  return (
    <section className="steps" aria-label={`Steps of ${row.userName}’s ${sentence(row.name).toLowerCase()}`}>
      <header>
        <h2>{row.userName}</h2>
        <State state={row.state} />
      </header>
      <p className="muted">
        Started <When at={row.startedAt} />
      </p>
      <Failure text={row.error ?? null} />
      {steps === undefined ? (
        <Loading rows={3} height={36} />
      ) : (
        <ol>
          {steps.map(({ name, status, error, startedAt, completedAt }, position) => (
            <li key={position} className={shown(status)}>
              <p>
                <strong>{sentence(name)}</strong>
                <span className="muted">
                  {completedAt === undefined ? shown(status) : duration(completedAt - startedAt)}
                </span>
              </p>
              {error !== undefined && <p className="failure">{error}</p>}
            </li>
          ))}
        </ol>
      )}
      <Failure text={failure} />
      <div className="actions">
        {isUnderWay && (
          <button
            type="button"
            className="danger"
            disabled={isBusy}
            onClick={() => void run(() => cancel({ workflowId: row.workflowId }))}
          >
            Cancel
          </button>
        )}
        {row.state === "failed" && (
          <button
            type="button"
            className="primary"
            disabled={isBusy}
            onClick={() => void run(() => restart({ workflowId: row.workflowId }))}
          >
            Retry
          </button>
        )}
      </div>
    </section>
  );
}

function duration(elapsedMs: number): string {
  if (elapsedMs < 1_000) return `${Math.round(elapsedMs)} ms`;
  if (elapsedMs < 60_000) return `${(elapsedMs / 1_000).toFixed(1)} s`;
  return `${Math.round(elapsedMs / 60_000)} min`;
}
