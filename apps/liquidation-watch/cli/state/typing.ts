const DRAFT_CHARS_MAX = 500;

/** What one typed character does to the line that is being written. */
export type Typed =
  | { readonly kind: "draft"; readonly draft: string }
  | { readonly kind: "say"; readonly content: string }
  | { readonly kind: "giveUp" };

export function typeCharacter(draft: string, character: string): Typed {
  switch (character) {
    case "\r":
    case "\n":
      return { kind: "say", content: draft.trim() };
    case "\u001b":
      return { kind: "giveUp" };
    case "\b":
    case "\u007f":
      return { kind: "draft", draft: Array.from(draft).slice(0, -1).join("") };
    // Ctrl-U
    case "\u0015":
      return { kind: "draft", draft: "" };
    default:
      return { kind: "draft", draft: extendDraft(draft, character) };
  }
}

/** Adds a text as it is; line ends of something pasted become spaces. */
export function extendDraft(draft: string, text: string): string {
  const printable = text.replace(/[\p{Cc}\p{Cf}]+/gu, " ");
  return Array.from(draft + printable)
    .slice(0, DRAFT_CHARS_MAX)
    .join("");
}
