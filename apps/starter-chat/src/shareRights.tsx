import type { Chat } from "../convex/model/views.ts";

// What a share allows, and until when, as one chooses it.

export type Rights = "read" | "write" | "share";

export interface Permissions {
  readonly canWrite: boolean;
  readonly canShare: boolean;
}

export function rightsOf({ canWrite, canShare }: Permissions): Rights {
  return canShare ? "share" : canWrite ? "write" : "read";
}

/** Nobody can give a right they do not have. */
export function permissionsOf(rights: Rights, access: Chat["access"]): Permissions {
  return { canWrite: rights !== "read" && access.canWrite, canShare: rights === "share" };
}

export function RightsSelect({
  label,
  value,
  access,
  onChange,
}: {
  label: string;
  value: Rights;
  access: Chat["access"];
  onChange: (rights: Rights) => void;
}) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.target.value as Rights)}>
      <option value="read">Can read</option>
      {access.canWrite && <option value="write">Can write</option>}
      <option value="share">Can share</option>
    </select>
  );
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const spans: readonly { readonly label: string; readonly ms: number | null }[] = [
  { label: "For good", ms: null },
  { label: "For an hour", ms: hourMs },
  { label: "For a day", ms: dayMs },
  { label: "For a week", ms: 7 * dayMs },
  { label: "For 30 days", ms: 30 * dayMs },
];

/** How long from now, as an index into the choices. */
export function SpanSelect({
  label,
  value,
  onChange,
}: {
  label: string;
  value: number;
  onChange: (span: number) => void;
}) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(Number(event.target.value))}>
      {spans.map(({ label }, index) => (
        <option key={label} value={index}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** When a share ends that begins now; nothing to say if never. */
export function endOfSpan(span: number): { expiresAt?: number } {
  const ms = spans[span]?.ms ?? null;
  return ms === null ? {} : { expiresAt: Date.now() + ms };
}

/** "ends 3 March, 14:05" */
export function endText(expiresAt: number | undefined): string {
  if (expiresAt === undefined) return "for good";
  const end = new Date(expiresAt);
  return `until ${end.toLocaleString(undefined, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" })}`;
}
