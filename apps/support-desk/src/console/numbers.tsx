import { useQuery } from "convex/react";
import { api } from "../../packages/convex/_generated/api.js";

const charts = [
  { event: "conversation_created", title: "New conversations", unit: null },
  { event: "bot_answered", title: "Answered by the bot", unit: null },
  { event: "escalated", title: "Handed to people", unit: null },
  { event: "assigned", title: "Wait in the queue", unit: "s" },
  { event: "first_response", title: "First answer by a person", unit: "s" },
  { event: "rated", title: "Stars", unit: "★" },
] as const;

/** The last seven days. */
export function Numbers({ token }: { token: string }) {
  return (
    <main className="sheet numbers" tabIndex={0} aria-label="Numbers">
      {charts.map(({ event, title, unit }) => (
        <Chart key={event} token={token} event={event} title={title} unit={unit} />
      ))}
    </main>
  );
}

function Chart({
  token,
  event,
  title,
  unit,
}: {
  token: string;
  event: string;
  title: string;
  unit: string | null;
}) {
  const days = useQuery(api.analytics.daily, { token, event });
  const valueOf = ({ count, mean }: { count: number; mean: number | null }) =>
    unit === null ? count : unit === "s" ? (mean ?? 0) / 1000 : (mean ?? 0);
  const max = Math.max(1, ...(days ?? []).map(valueOf));
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <ol className="bars">
        {days?.map((day) => {
          const value = valueOf(day);
          const text = unit === null ? String(value) : day.count === 0 ? "–" : `${value.toFixed(1)} ${unit}`;
          return (
            <li key={day.day}>
              <span className="value">{text}</span>
              <span className="bar" style={{ height: `${(value / max) * 72}px` }} />
              <span className="day">{day.day.slice(8)}.</span>
            </li>
          );
        })}
      </ol>
    </figure>
  );
}
