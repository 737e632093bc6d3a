import type { CSSProperties } from "react";
import { hueOf, initials } from "./format.ts";
import { AssistantIcon } from "./icons.tsx";

/** The first letter of a chat's title on a colour of its own. */
export function ChatAvatar({ chatId, title }: { chatId: string; title: string }) {
  const style = { "--hue": hueOf(chatId) } as CSSProperties;
  return (
    <span className="avatar square" style={style} aria-hidden="true">
      {initials(title).slice(0, 1)}
    </span>
  );
}

/** A person's picture, or the letters of the name on a colour of their own. Decoration: the name stands beside it. */
export function Avatar({
  person,
  size = "medium",
  isOnline = false,
}: {
  person: { _id: string; name: string; image?: string } | null;
  size?: "small" | "medium";
  isOnline?: boolean;
}) {
  const name = person?.name ?? "?";
  const style = { "--hue": person === null ? 0 : hueOf(person._id) } as CSSProperties;
  return (
    <span className={`avatar ${size}`} style={style} aria-hidden="true">
      {person?.image === undefined ? (
        initials(name)
      ) : (
        <img src={person.image} alt="" referrerPolicy="no-referrer" loading="lazy" />
      )}
      {isOnline && <span className="online-dot" />}
    </span>
  );
}

export function AssistantAvatar() {
  return (
    <span className="avatar small assistant" aria-hidden="true">
      <AssistantIcon />
    </span>
  );
}
