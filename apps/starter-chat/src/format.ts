const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** "14:05" or "2:05 PM" */
export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
}

/** "Today", "Yesterday", "Monday", "3 March", "3 March 2024" */
export function dayName(ms: number, nowMs: number): string {
  const days = daysBetween(ms, nowMs);
  const date = new Date(ms);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return date.toLocaleDateString(undefined, { weekday: "long" });
  const sameYear = date.getFullYear() === new Date(nowMs).getFullYear();
  return date.toLocaleDateString(undefined, {
    day: "numeric",
    month: "long",
    ...(sameYear ? {} : { year: "numeric" as const }),
  });
}

/** Short form for lists: the time today, else the day. */
export function listTime(ms: number, nowMs: number): string {
  const days = daysBetween(ms, nowMs);
  if (days <= 0) return clockTime(ms);
  if (days === 1) return "Yesterday";
  if (days < 7) return new Date(ms).toLocaleDateString(undefined, { weekday: "short" });
  return new Date(ms).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

export function isSameDay(aMs: number, bMs: number): boolean {
  return new Date(aMs).toDateString() === new Date(bMs).toDateString();
}

/** Up to two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.trim().split(/[\s-]+/);
  const first = firstCharacter(words[0]) || "?";
  const last = words.length > 1 ? firstCharacter(words.at(-1)) : "";
  return (first + last).toLocaleUpperCase();
}

/** A colour angle that stays with an id. */
export function hueOf(id: string): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 360;
  return hash;
}

/** Whole calendar days between two moments, whatever the clock change does to their length. */
function daysBetween(ms: number, nowMs: number): number {
  const midnight = (time: number) => new Date(time).setHours(0, 0, 0, 0);
  return Math.round((midnight(nowMs) - midnight(ms)) / dayMs);
}

function firstCharacter(word: string | undefined): string {
  return word === undefined || word === "" ? "" : String.fromCodePoint(word.codePointAt(0) ?? 63);
}

/** e.g. "812 B", "3.4 MB". */
export function fileSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit] ?? ""}`;
}

/** A text without the marks of its Markdown, for lists and quotes that show its first words. */
export function withoutMarks(text: string): string {
  return text
    .replace(/(^|\s)(?:#{1,6}|>|[-*+])(?=\s)/g, "$1")
    .replace(/`{1,3}|\*\*|__|~~/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
