/** In the place of a pane that is on its way. */
export function PaneLoading({ label }: { label: string }) {
  return (
    <div className="pane-loading" role="status">
      <span className="spinner" aria-hidden="true" />
      <span className="visually-hidden">{label}</span>
    </div>
  );
}

/** In the place of a list in a dialog. */
export function Loading() {
  return (
    <p className="muted" role="status">
      Loading…
    </p>
  );
}
