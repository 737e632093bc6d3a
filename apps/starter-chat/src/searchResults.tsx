import { useQuery_experimental as useQueryState } from "convex/react";
import { type KeyboardEvent, type ReactNode, useEffect, useState } from "react";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { SearchResult } from "../convex/model/views.ts";
import { AssistantAvatar, Avatar } from "./avatar.tsx";
import { untitled } from "./chatLists.tsx";
import { failureText } from "./failures.ts";
import { listTime, withoutMarks } from "./format.ts";
import { splitAtHits } from "./hits.ts";
import { useNow } from "./now.ts";
import { chatHref } from "./route.ts";

const pauseMs = 200;

/** What full-text search finds in one's chats, live: in all of them, or in the open one. */
export function SearchResults({ text, openChatId }: { text: string; openChatId: Id<"chats"> | null }) {
  const [isHere, setHere] = useState(false);
  const query = usePaused(text.trim());
  const chatId = isHere && openChatId !== null ? openChatId : null;
  const found = useQueryState({
    query: api.functions.queries.messages.searchMessages,
    args: query === "" ? "skip" : { query, ...(chatId === null ? {} : { chatId }) },
  });
  return (
    <section className="chat-section" aria-label="Search results">
      {openChatId !== null && (
        <div className="scope" role="group" aria-label="Where to search">
          <button type="button" aria-pressed={!isHere} onClick={() => setHere(false)}>
            All chats
          </button>
          <button type="button" aria-pressed={isHere} onClick={() => setHere(true)}>
            This chat
          </button>
        </div>
      )}
      {found.status === "error" ? (
        <p className="notice" role="alert">
          {failureText(found.error)}
        </p>
      ) : (
        <p className="muted section-empty" role="status">
          {found.status === "pending"
            ? "Searching…"
            : found.data.length === 0
              ? `Nothing found for “${query}”.`
              : `${found.data.length} ${found.data.length === 1 ? "message" : "messages"}`}
        </p>
      )}
      {found.status === "success" && (
        <ul onKeyDown={moveAmongLinks}>
          {found.data.map((message) => (
            <Result key={message._id} message={message} query={query} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Result({ message, query }: { message: SearchResult; query: string }) {
  const nowMs = useNow();
  const who = message.role === "assistant" ? "Assistant" : (message.author?.name ?? "Deleted account");
  return (
    <li>
      <a className="chat-entry" href={chatHref(message.chatId, message._id)}>
        {message.role === "assistant" ? <AssistantAvatar /> : <Avatar person={message.author} size="small" />}
        <span className="chat-entry-text">
          <span className="chat-entry-top">
            <span className="chat-entry-title">{message.chatTitle ?? untitled}</span>
            <time dateTime={new Date(message._creationTime).toISOString()}>
              {listTime(message._creationTime, nowMs)}
            </time>
          </span>
          <span className="chat-entry-preview two-lines">
            {who}: {marked(withoutMarks(message.preview), query)}
          </span>
        </span>
      </a>
    </li>
  );
}

function marked(text: string, query: string): ReactNode[] {
  return splitAtHits(text, query).map(({ text, isHit }, index) =>
    isHit ? <mark key={index}>{text}</mark> : text,
  );
}

/** Arrow keys go from result to result; above the first is the field. */
function moveAmongLinks(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const links = [...event.currentTarget.querySelectorAll("a")];
  const at = links.findIndex((link) => link === document.activeElement);
  event.preventDefault();
  const next = links[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (next !== undefined) next.focus();
  else if (event.key === "ArrowUp") document.querySelector<HTMLElement>("[role=search] input")?.focus();
}

/** The value, once it has not changed for a moment. */
function usePaused(value: string): string {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), pauseMs);
    return () => clearTimeout(timer);
  }, [value]);
  return paused;
}
