import { type ReactNode, useState } from "react";
import type { Id } from "../convex/_generated/dataModel.js";
import type { MessagePart } from "../convex/model/parts.ts";
import { FileInMessage } from "./attachments.tsx";
import { CheckIcon, CopyIcon } from "./icons.tsx";

/** The parts of a message, each in its own way. Everything is text to React: nothing said can become markup. */
export function MessageParts({ chatId, parts }: { chatId: Id<"chats">; parts: readonly MessagePart[] }) {
  return parts.map((part, index) => {
    const key = `${index}:${part.type}`;
    switch (part.type) {
      case "text":
        return (
          <p key={key} className="text-part">
            {inline(part.text)}
          </p>
        );
      case "code":
        return <CodeBlock key={key} part={part} />;
      case "image":
        return (
          <img
            key={key}
            className="image-part"
            src={part.url}
            alt={part.alt ?? ""}
            width={part.width}
            height={part.height}
            loading="lazy"
            referrerPolicy="no-referrer"
          />
        );
      case "file":
        return <FileInMessage key={key} chatId={chatId} part={part} />;
    }
  });
}

function CodeBlock({ part }: { part: Extract<MessagePart, { type: "code" }> }) {
  const [isCopied, setCopied] = useState(false);
  const name = [part.language, part.filename].filter((text) => text !== undefined && text !== "").join(" · ");
  const copy = async () => {
    await navigator.clipboard.writeText(part.code);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <figure className="code-part">
      <figcaption>
        <span>{name === "" ? "code" : name}</span>
        <button
          type="button"
          className="icon-button small"
          aria-label={isCopied ? "Copied" : "Copy code"}
          onClick={() => void copy().catch(() => {})}
        >
          {isCopied ? <CheckIcon /> : <CopyIcon />}
        </button>
      </figcaption>
      {/* Long lines scroll sideways, also by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={name === "" ? "Code" : `Code, ${name}`}>
        <code>{part.code}</code>
      </pre>
    </figure>
  );
}

const inlinePattern = /`([^`\n]+)`|(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])/g;

/** `code` and links inside a text. */
function inline(text: string): ReactNode[] {
  const nodes: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(inlinePattern)) {
    if (match.index > at) nodes.push(text.slice(at, match.index));
    const [whole, code, url] = match;
    if (code !== undefined) nodes.push(<code key={match.index}>{code}</code>);
    else if (url !== undefined)
      nodes.push(
        <a key={match.index} href={url} target="_blank" rel="noreferrer noopener">
          {url}
        </a>,
      );
    at = match.index + whole.length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}
