import type { CSSProperties } from "react";
import { hueOf, initials } from "./format.ts";

/** A person's picture, or the letters of the name on a colour of their own. Decoration: the name stands beside it. */
export function Avatar({
  person,
  size = "medium",
}: {
  person: { _id: string; name: string; image?: string } | null;
  size?: "small" | "medium" | "large";
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
    </span>
  );
}
