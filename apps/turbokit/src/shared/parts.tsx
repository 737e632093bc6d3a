import { type ReactNode, useEffect, useState } from "react";
import { Icon, type IconName } from "../shell/icons.tsx";

/** Small things that every view is made of. */

export function Avatar({ name, image, title }: { name: string; image?: string | undefined; title?: string }) {
  const [isBroken, setBroken] = useState(false);
  const initials = name
    .split(/\s+/)
    .map((word) => word[0] ?? "")
    .slice(0, 2)
    .join("");
  return (
    <span className="avatar" title={title ?? name}>
      {image === undefined || isBroken ? (
        <span aria-hidden="true">{initials.toUpperCase()}</span>
      ) : (
        <img src={image} alt="" onError={() => setBroken(true)} />
      )}
    </span>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Stands where rows will be, as high as they will be. */
export function Loading({ rows = 3, height = 64 }: { rows?: number; height?: number }) {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, position) => (
        <span key={position} style={{ height }} />
      ))}
    </div>
  );
}

export function Heading({ title, children, lead }: { title: string; lead?: string; children?: ReactNode }) {
  return (
    <header className="heading">
      <div>
        <h1>{title}</h1>
        {lead !== undefined && <p className="lead">{lead}</p>}
      </div>
      {children !== undefined && <div className="actions">{children}</div>}
    </header>
  );
}

export function Badge({ tone, children }: { tone: "good" | "wait" | "bad" | "calm"; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

export function Meter({ label, value, max }: { label: string; value: number; max: number }) {
  const share = max <= 0 ? 0 : Math.min(1, Math.max(0, value / max));
  return (
    <div
      className={share < 0.1 ? "meter low" : "meter"}
      role="meter"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={Math.max(max, value)}
    >
      <span style={{ inlineSize: `${share * 100}%` }} />
    </div>
  );
}

const tickMs = 20_000;

function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), tickMs);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** When something was, as people say it; the exact time is its title. */
export function When({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {ago(now - at)}
    </time>
  );
}

function ago(elapsedMs: number): string {
  const minutes = Math.round(elapsedMs / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return relative.format(-minutes, "minute");
  if (minutes < 24 * 60) return relative.format(-Math.round(minutes / 60), "hour");
  return relative.format(-Math.round(minutes / (24 * 60)), "day");
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  if (size < 1024 * 1024) return `${Math.round(size / 1024)} KB`;
  const mebibytes = size / 1024 / 1024;
  return `${mebibytes.toFixed(Number.isInteger(mebibytes) ? 0 : 1)} MB`;
}

export function dollars(cents: number): string {
  return (cents / 100).toLocaleString("en", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: cents % 100 === 0 ? 0 : 2,
  });
}
