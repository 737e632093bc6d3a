import type { FunctionReturnType } from "convex/server";
import { Fragment, useEffect, useRef } from "react";
import type { api } from "../../packages/convex/_generated/api.js";
import { sizeText } from "./uploads.ts";

export type Message = FunctionReturnType<typeof api.messages.subscribeToMessages>[number];

/** A conversation from the point of view of one side, which stands right. */
export function MessageList({ messages, own }: { messages: readonly Message[]; own: "customer" | "agent" }) {
  const end = useRef<HTMLLIElement>(null);
  const last = messages.at(-1);
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [messages.length, last?.content]);
  return (
    <ol className="messages" aria-live="polite" aria-label="Messages">
      {messages.map((message) => (
        <MessageItem key={message._id} message={message} isOwn={message.author === own} />
      ))}
      <li ref={end} className="end" aria-hidden="true" />
    </ol>
  );
}

function MessageItem({ message, isOwn }: { message: Message; isOwn: boolean }) {
  if (message.author === "system") return <li className="notice">{message.content}</li>;
  const who = isOwn ? "You" : message.author === "customer" ? "Customer" : (message.agentName ?? "Support");
  return (
    <li className={isOwn ? "message own" : `message ${message.author}`}>
      <p className="who">
        {who}
        <time dateTime={new Date(message._creationTime).toISOString()}>{timeOf(message._creationTime)}</time>
      </p>
      {message.state === "pending" ? (
        <p className="bubble typing" role="status">
          <span className="dots" aria-hidden="true" />
          <span className="hidden">is writing</span>
        </p>
      ) : (
        <div className="bubble">
          {message.content !== "" && <Text text={message.content} />}
          {message.attachment !== undefined && <Attachment {...message.attachment} />}
          {message.isFileArriving && <p className="file">A file is on its way…</p>}
          {message.citations !== undefined && message.citations.length > 0 && (
            <p className="sources">
              {message.citations.map(({ knowledgeId, title, source }) => (
                <Fragment key={knowledgeId}>
                  {source === undefined ? (
                    <span>{title}</span>
                  ) : (
                    <a href={source} target="_blank" rel="noreferrer">
                      {title}
                    </a>
                  )}
                </Fragment>
              ))}
            </p>
          )}
        </div>
      )}
    </li>
  );
}

/** A picture is shown, anything else is a link. */
function Attachment({ name, contentType, size, url }: NonNullable<Message["attachment"]>) {
  if (url === null) return <p className="file">{name} is gone.</p>;
  const isPicture = contentType.startsWith("image/");
  return (
    <a className={isPicture ? "file picture" : "file"} href={url} target="_blank" rel="noreferrer">
      {isPicture ? <img src={url} alt={name} loading="lazy" /> : name}
      {!isPicture && <small> {sizeText(size)}</small>}
    </a>
  );
}

/** Paragraphs and lines as they were written; nothing in a message is markup. */
function Text({ text }: { text: string }) {
  return text.split(/\n{2,}/).map((paragraph, position) => (
    // eslint-disable-next-line react/no-array-index-key -- the text of a message does not change its order
    <p key={position}>{paragraph}</p>
  ));
}

export function timeOf(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
