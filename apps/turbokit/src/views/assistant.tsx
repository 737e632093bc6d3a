import { useUIMessages } from "@convex-dev/agent/react";
import { useAction, useMutation, usePaginatedQuery } from "convex/react";
import { useEffect, useRef, useState } from "react";
import { api } from "@repo/backend/api";
import type { Id } from "@repo/backend/types";
import { Icon } from "../shell/icons.tsx";
import { follow, navigate } from "../shell/router.ts";
import { Composer } from "../shared/composer.tsx";
import { Failure, useAttempt, useFeedback } from "../shared/feedback.tsx";
import { More } from "../shared/more.tsx";
import { Empty, Heading, Loading } from "../shared/parts.tsx";
import { Turn } from "./turn.tsx";

type ThreadId = Id<"threads">;

const suggestions = [
  "Which of my projects are about the launch?",
  "Create a draft project called “Spring launch”",
  "How many credits do I have left?",
];

/** Talks with the assistant: all of them, and the one that is open. */
export function Assistant({ threadId }: { threadId: string | null }) {
  const threads = usePaginatedQuery(api.agents.threads.list, {}, { initialNumItems: 20 });
  const remove = useMutation(api.agents.threads.remove);
  const isKnown = threadId === null || threads.results.some(({ _id }) => _id === threadId);
  return (
    <>
      <Heading title="Assistant">
        {threadId !== null && (
          <a className="button" href="/assistant" onClick={follow}>
            <Icon name="plus" /> New talk
          </a>
        )}
      </Heading>
      <div className="assistant-columns">
        <nav aria-label="Talks" className="talks">
          {threads.status === "LoadingFirstPage" && <Loading rows={3} height={36} />}
          <ul>
            {threads.results.map(({ _id, title }) => (
              <li key={_id}>
                <a
                  href={`/assistant/${_id}`}
                  onClick={follow}
                  aria-current={_id === threadId ? "page" : undefined}
                >
                  {title}
                </a>
                <button
                  type="button"
                  className="quiet square"
                  aria-label={`Delete “${title}”`}
                  onClick={() => {
                    if (_id === threadId) navigate("/assistant");
                    void remove({ threadId: _id }).catch(() => {});
                  }}
                >
                  <Icon name="trash" />
                </button>
              </li>
            ))}
          </ul>
          <More page={threads} count={20} />
        </nav>
        {threads.status === "LoadingFirstPage" || isKnown ? (
          <Talk key={threadId} threadId={threadId as ThreadId | null} />
        ) : (
          <Empty icon="chat" title="This talk is gone" />
        )}
      </div>
    </>
  );
}

/** The first questions of talks that have just been made: asked when the talk is open under its own address. */
const firstQuestions = new Map<string, string>();

function Talk({ threadId }: { threadId: ThreadId | null }) {
  const create = useMutation(api.agents.threads.create);
  const chat = useAction(api.agents.actions.chat);
  const { say } = useFeedback();
  const { run, failure } = useAttempt();
  // What was asked and is not in the talk yet, and how many questions were there before it.
  const [pending, setPending] = useState<{ readonly text: string; readonly before: number } | null>(null);
  const [refused, setRefused] = useState("");
  const { results: messages, status } = useUIMessages(
    api.agents.threads.messages,
    threadId === null ? "skip" : { threadId },
    { initialNumItems: 40, stream: true },
  );
  const asked = messages.filter(({ role }) => role === "user").length;
  const last = messages.at(-1);

  const ask = async (text: string) => {
    if (threadId === null) {
      const id = await create({ title: text.slice(0, 60) });
      firstQuestions.set(id, text);
      navigate(`/assistant/${id}`);
      return;
    }
    setPending({ text, before: asked });
    try {
      const { credits } = await chat({ threadId, message: text });
      say(credits === 1 ? "1 credit used." : `${credits} credits used.`);
    } finally {
      setPending(null);
    }
  };
  const askRef = useRef(ask);
  askRef.current = ask;
  useEffect(() => {
    const text = threadId === null ? undefined : firstQuestions.get(threadId);
    if (threadId === null || text === undefined) return;
    firstQuestions.delete(threadId);
    void run(() => askRef.current(text)).then((isAsked) => {
      if (!isAsked) setRefused(text);
    });
  }, [threadId, run]);

  const isNew = threadId === null && pending === null;
  const isSaved = pending === null || asked > pending.before;
  const isWaiting = pending !== null && (!isSaved || last?.role === "user" || last?.parts.length === 0);
  return (
    <section className="talk" aria-label="Talk">
      {isNew ? (
        <div className="welcome">
          <Icon name="spark" />
          <p>Ask about your projects, or have something done.</p>
          <ul aria-label="Suggestions">
            {suggestions.map((text) => (
              <li key={text}>
                <button type="button" onClick={() => void run(() => ask(text))}>
                  {text}
                </button>
              </li>
            ))}
          </ul>
        </div>
      ) : (
        <ol aria-live="polite">
          {status === "LoadingFirstPage" && pending === null && <Loading rows={2} />}
          {messages.map((message) => (
            <Turn key={message.key} message={message} />
          ))}
          {!isSaved && (
            <li className="turn user">
              <p className="bubble">{pending.text}</p>
            </li>
          )}
          {isWaiting && (
            <li className="thinking" role="status">
              <span className="pulse" aria-hidden="true" /> Thinking…
            </li>
          )}
          <End of={`${messages.length} ${last?.text.length} ${last?.parts.length} ${pending?.text}`} />
        </ol>
      )}
      <Failure text={failure} />
      <Composer key={refused} label="Ask the assistant" initial={refused} send={ask} />
    </section>
  );
}

/** Keeps the end of a talk in sight while it grows. */
function End({ of }: { of: string }) {
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [of]);
  return <li ref={end} aria-hidden="true" className="end" />;
}
