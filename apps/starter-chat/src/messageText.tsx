import { memo } from "react";
import type { Id } from "../convex/_generated/dataModel.js";
import type { MessagePart } from "../convex/model/parts.ts";
import { CodeBlock } from "./codeBlock.tsx";
import { FileInMessage } from "./fileInMessage.tsx";
import { Markdown } from "./markdown.tsx";

/** The parts of a message, each in its own way. */
export const MessageParts = memo(function MessageParts({
  chatId,
  parts,
}: {
  chatId: Id<"chats">;
  parts: readonly MessagePart[];
}) {
  return parts.map((part, index) => {
    const key = `${index}:${part.type}`;
    switch (part.type) {
      case "text":
        return (
          <div key={key} className="text-part">
            <Markdown text={part.text} />
          </div>
        );
      case "code":
        return (
          <CodeBlock key={key} language={part.language} filename={part.filename ?? ""} code={part.code} />
        );
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
});
