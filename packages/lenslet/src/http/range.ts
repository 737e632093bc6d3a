/**
 * A `Range` header for a body of `size` bytes: null when the whole body is to be sent (no range, a unit or syntax we do
 * not know, or an empty body), "unsatisfiable" for 416. More than one range is not supported (http-api.md §4).
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | null {
  const match = /^\s*bytes\s*=\s*(.*?)\s*$/i.exec(header ?? "");
  if (match === null || size === 0) return null;
  const ranges = (match[1] as string).split(",");
  if (ranges.length > 1) return "unsatisfiable";
  const parts = /^(\d*)\s*-\s*(\d*)$/.exec((ranges[0] as string).trim());
  if (parts === null) return null;
  const [first = "", last = ""] = parts.slice(1);
  if (first === "") {
    if (last === "") return null;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return start >= size ? "unsatisfiable" : { start, end };
}
