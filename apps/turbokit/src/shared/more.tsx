/** The rest of a list, on demand. */
export function More({
  page: { status, loadMore },
  count,
}: {
  page: { readonly status: string; readonly loadMore: (count: number) => void };
  count: number;
}) {
  if (status !== "CanLoadMore" && status !== "LoadingMore") return null;
  return (
    <button
      type="button"
      className="more"
      disabled={status === "LoadingMore"}
      onClick={() => loadMore(count)}
    >
      Show more
    </button>
  );
}
