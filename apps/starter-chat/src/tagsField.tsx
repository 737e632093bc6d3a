import { useQuery } from "convex/react";
import { type KeyboardEvent, useId, useState } from "react";
import { api } from "../convex/_generated/api.js";
import { limits } from "../convex/model/limits.ts";
import { CloseIcon } from "./icons.tsx";

/** Words to find a chat by. Enter or a comma makes one of what is typed, Backspace takes the last one away. */
export function TagsField({
  id,
  tags,
  onChange,
}: {
  id: string;
  tags: readonly string[];
  onChange: (tags: readonly string[]) => void;
}) {
  const [typed, setTyped] = useState("");
  const used = useQuery(api.functions.queries.chats.getUserTags, {});
  const listId = useId();

  const add = (text: string) => {
    const tag = text.trim();
    setTyped("");
    if (tag !== "" && !tags.includes(tag) && tags.length < limits.tagsMax) onChange([...tags, tag]);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.nativeEvent.isComposing) return;
    if ((event.key === "Enter" && typed.trim() !== "") || event.key === ",") {
      event.preventDefault();
      add(typed);
    } else if (event.key === "Backspace" && typed === "") onChange(tags.slice(0, -1));
  };

  return (
    <div className="tags-field">
      {tags.map((tag) => (
        <span key={tag} className="tag">
          {tag}
          <button
            type="button"
            aria-label={`Remove the tag ${tag}`}
            onClick={() => onChange(tags.filter((other) => other !== tag))}
          >
            <CloseIcon />
          </button>
        </span>
      ))}
      <input
        id={id}
        list={listId}
        value={typed}
        maxLength={limits.tagLengthMax}
        placeholder={tags.length === 0 ? "work, ideas …" : ""}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={() => add(typed)}
      />
      <datalist id={listId}>
        {used
          ?.filter(({ tag }) => !tags.includes(tag))
          .map(({ tag }) => (
            <option key={tag} value={tag} />
          ))}
      </datalist>
    </div>
  );
}
