import type { IncomingMessage } from "node:http";

export interface RequestTarget {
  /** As sent, percent-encoded. */
  readonly path: string;
  /** Without the question mark. */
  readonly queryText: string;
}

/** Tolerates doubled leading slashes and the absolute form that proxies send. */
export function splitTarget(url: string): RequestTarget {
  let start = pathStart(url);
  while (url.charCodeAt(start) === 0x2f && url.charCodeAt(start + 1) === 0x2f) start++;
  const mark = url.indexOf("?", start);
  if (mark < 0) return { path: start === 0 ? url : url.slice(start), queryText: "" };
  return { path: url.slice(start, mark), queryText: url.slice(mark + 1) };
}

/** Where the path of a request line begins: after scheme and authority of the absolute form. */
function pathStart(url: string): number {
  if (url.charCodeAt(0) === 0x2f) return 0;
  const scheme = url.indexOf("://");
  const slash = scheme < 0 ? -1 : url.indexOf("/", scheme + 3);
  return Math.max(slash, 0);
}

/**
 * What `request.url` of an HTTP action says (reference http-api.md §5); null when the request names no legal URL.
 * `fallbackHost` is for clients of HTTP/1.0, which need not name one.
 */
export function fullUrl(request: IncomingMessage, fallbackHost: string): string | null {
  const target = request.url ?? "/";
  const path = target.slice(pathStart(target));
  if (!path.startsWith("/")) return null;
  const host = request.headers.host ?? fallbackHost;
  // A host that brings a path or a user along would change the meaning of what follows.
  if (/[/\\?#@\s]/.test(host)) return null;
  const url = `${schemeOf(request)}://${host}${path}`;
  return URL.canParse(url) ? url : null;
}

/** The path as it was sent, for comparison with routes. */
export function rawPath(request: IncomingMessage): string {
  const target = request.url ?? "/";
  const path = target.slice(pathStart(target));
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}

function schemeOf({ headers }: IncomingMessage): "http" | "https" {
  const forwarded = /(?:^|[;,\s])proto="?([a-z]+)/i.exec(headers.forwarded ?? "")?.[1];
  const stated = headers["x-forwarded-proto"] ?? forwarded;
  const first = String(stated ?? "http").split(",", 1)[0] ?? "";
  return first.trim().toLowerCase() === "https" ? "https" : "http";
}
