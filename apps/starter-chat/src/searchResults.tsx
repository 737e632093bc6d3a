import { useQuery_experimental as useQueryState } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { Avatar } from "./avatar.tsx";
import { untitled } from "./chatLists.tsx";
import { failureText, isNotAvailable } from "./failures.ts";
import { listTime } from "./format.ts";
import { useNow } from "./now.ts";
import { chatHref } from "./route.ts";

const pauseMs = 250;

/** What full-text search finds in one's own messages, live. */
export function SearchResults({ text }: { text: string }) {
  const query = usePaused(text.trim());
  const nowMs = useNow();
  const found = useQueryState({
    query: api.functions.queries.messages.searchMessages,
    args: query === "" ? "skip" : { query },
  });
  if (found.status === "error")
    return isNotAvailable(found.error) ? (
      <div className="notice" role="status">
        <strong>Search is not available yet.</strong> This server does not have text search; it comes with a
        later version of Lenslet.
      </div>
    ) : (
      <div className="notice" role="alert">
        {failureText(found.error)}
      </div>
    );
  if (found.status === "pending")
    return (
      <p className="muted section-empty" role="status">
        Searching…
      </p>
    );
  if (found.data.length === 0)
    return (
      <p className="muted section-empty" role="status">
        Nothing found for &ldquo;{query}&rdquo;.
      </p>
    );
  return (
    <section className="chat-section" aria-label="Search results">
      <h2>
        {found.data.length} {found.data.length === 1 ? "message" : "messages"}
      </h2>
      <ul>
        {found.data.map((message) => (
          <li key={message._id}>
            <a className="chat-entry" href={chatHref(message.chatId)}>
              <Avatar person={message.author} />
              <span className="chat-entry-text">
                <span className="chat-entry-top">
                  <span className="chat-entry-title">{message.chatTitle ?? untitled}</span>
                  <time dateTime={new Date(message._creationTime).toISOString()}>
                    {listTime(message._creationTime, nowMs)}
                  </time>
                </span>
                <span className="chat-entry-preview">{message.preview}</span>
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
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
