import { Fragment } from "react";
import type { Message } from "../convex/model/views.ts";
import { RetryIcon, StopIcon } from "./icons.tsx";
import type { MessageActions } from "./messageItem.tsx";

type Answer = NonNullable<Message["answer"]>;

/** Below an answer: stop while it is written; afterwards who wrote it, what it took on demand, and another try. */
export function AnswerFoot({ message, actions }: { message: Message; actions: MessageActions | null }) {
  const { answer = {}, status } = message;
  if (status === "sending")
    return actions === null ? null : (
      <div className="answer-foot">
        <button type="button" className="pill" onClick={() => actions.onStop(message)}>
          <StopIcon />
          Stop
        </button>
      </div>
    );
  const details = detailsOf(answer);
  return (
    <div className="answer-foot">
      {answer.error !== undefined && <span className="answer-error">{answer.error}</span>}
      {details.length > 0 && (
        <details className="answer-details">
          <summary>{answer.model ?? "Details"}</summary>
          <dl>
            {details.map(([name, value]) => (
              <Fragment key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </Fragment>
            ))}
          </dl>
        </details>
      )}
      {actions !== null && (
        <button
          type="button"
          className={answer.error === undefined ? "pill quiet-pill" : "pill"}
          aria-label="Answer again"
          title="Answer again"
          onClick={() => actions.onRegenerate(message)}
        >
          <RetryIcon />
          {answer.error !== undefined && "Try again"}
        </button>
      )}
    </div>
  );
}

function detailsOf({ model, tokens, processingTime }: Answer): [name: string, value: string][] {
  const seconds = processingTime === undefined ? undefined : processingTime / 1000;
  return [
    ...(model === undefined ? [] : [["Model", model] as [string, string]]),
    ...(seconds === undefined ? [] : [["Time", `${seconds.toFixed(1)} s`] as [string, string]]),
    ...(tokens === undefined ? [] : [["Tokens", tokens.toLocaleString()] as [string, string]]),
    ...(tokens === undefined || seconds === undefined || seconds === 0
      ? []
      : [["Speed", `${Math.round(tokens / seconds).toLocaleString()} tokens/s`] as [string, string]]),
  ];
}
