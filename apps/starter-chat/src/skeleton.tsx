/** Grey rows in the place of chats that are still on their way. Decoration: say with a status what is loading. */
export function Skeleton({ rows }: { rows: number }) {
  return Array.from({ length: rows }, (_, row) => (
    <div key={row} className="skeleton-row" aria-hidden="true">
      <span className="skeleton-dot" />
      <span className="skeleton-lines">
        <span />
        <span />
      </span>
    </div>
  ));
}
