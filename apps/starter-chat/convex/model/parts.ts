import type { Infer } from "convex/values";
import type { messagePart } from "../schema.ts";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";
import { checkUrl } from "./validation.ts";

export type MessagePart = Infer<typeof messagePart>;

/** What a message says, as it may be stored: its parts and their text. */
export interface MessageBody {
  readonly parts: MessagePart[];
  readonly content: string;
}

/**
 * Checks what a person wants to send. Parts win over a bare `content`, which becomes one text part. Something must be
 * said: at least one part that is not blank.
 */
export function checkBody(input: { content?: string; parts?: readonly MessagePart[] }): MessageBody {
  const given = input.parts ?? [];
  const parts: MessagePart[] =
    given.length > 0 ? given.map(checkPart) : [{ type: "text", text: input.content ?? "" }];
  if (parts.length > limits.partsMax)
    throw appError("invalid", `A message has at most ${limits.partsMax} parts.`, "parts");
  const content = flatten(parts);
  if (content.length > limits.contentLengthMax)
    throw appError(
      "invalid",
      `A message has at most ${limits.contentLengthMax.toLocaleString("en-US")} characters.`,
      "content",
    );
  const saysSomething =
    content.trim() !== "" || parts.some(({ type }) => type === "image" || type === "file");
  if (!saysSomething) throw appError("invalid", "A message needs some text.", "content");
  return { parts, content };
}

/** The files a message shows: whoever stores it checks that they are attached to its chat. */
export function filesOf(parts: readonly MessagePart[]): Extract<MessagePart, { type: "file" }>[] {
  return parts.filter((part) => part.type === "file");
}

/** The text of all parts, joined by spaces, as search and previews read it. */
export function flatten(parts: readonly MessagePart[]): string {
  return parts
    .map(textOf)
    .filter((text) => text !== "")
    .join(" ");
}

/** Whether two bodies say the same, whatever the order of their fields. */
export function sameParts(one: readonly MessagePart[], other: readonly MessagePart[]): boolean {
  const text = (parts: readonly MessagePart[]) =>
    parts.map((part) => JSON.stringify(part, Object.keys(part).toSorted())).join();
  return text(one) === text(other);
}

/** The first line or so of a text, for lists. */
export function preview(content: string, lengthMax: number = limits.previewLength): string {
  const line = content
    .slice(0, lengthMax * 4)
    .replace(/\s+/g, " ")
    .trim();
  return line.length > lengthMax ? `${line.slice(0, lengthMax - 1).trimEnd()}…` : line;
}

/** A piece of a text with the first of these words in it, and some of what stands before it. */
export function excerpt(content: string, words: string): string {
  const text = content.replace(/\s+/g, " ").trim();
  const lower = text.toLowerCase();
  const hits = words
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")
    .map((word) => lower.indexOf(word))
    .filter((at) => at >= 0);
  const hit = hits.length === 0 ? 0 : Math.min(...hits);
  const from = text.length <= limits.previewLength ? 0 : Math.max(0, hit - limits.excerptBefore);
  const piece = text.slice(from, from + limits.previewLength);
  return `${from > 0 ? "…" : ""}${piece.trim()}${from + piece.length < text.length ? "…" : ""}`;
}

/** What a chat is called after its first message: its first line that says something; null if none does. */
export function titleFrom(parts: readonly MessagePart[]): string | null {
  for (const part of parts) {
    const line = textOf(part)
      .split("\n")
      .find((text) => text.trim() !== "");
    if (line !== undefined) return preview(line, limits.titleFromMessageLength);
  }
  return null;
}

function textOf(part: MessagePart): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "code":
      return part.code;
    case "image":
      return part.alt ?? "";
    case "file":
      return part.fileName;
  }
}

function checkPart(part: MessagePart): MessagePart {
  switch (part.type) {
    case "text":
      return part;
    case "code":
      if (part.language.length > limits.codeLanguageLengthMax)
        throw appError("invalid", "That name of a programming language is too long.", "parts");
      if ((part.filename ?? "").length > limits.fileNameLengthMax)
        throw appError("invalid", `A file name has at most ${limits.fileNameLengthMax} characters.`, "parts");
      return part;
    case "image":
      return { ...part, url: checkUrl(part.url, "parts") };
    case "file":
      if (part.fileName.length > limits.fileNameLengthMax)
        throw appError("invalid", `A file name has at most ${limits.fileNameLengthMax} characters.`, "parts");
      return part;
  }
}

export interface Edit {
  readonly timestamp: number;
  readonly previousContent: string;
}

/** The history with one more entry; the oldest go once there are too many, or too much of them. */
export function addEdit(history: readonly Edit[], edit: Edit): Edit[] {
  const kept = [...history, edit].slice(-limits.editHistoryEntriesMax);
  let bytes = kept.reduce((sum, { previousContent }) => sum + utf8Length(previousContent), 0);
  while (kept.length > 1 && bytes > limits.editHistoryBytesMax)
    bytes -= utf8Length(kept.shift()?.previousContent ?? "");
  return kept;
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
