/**
 * Which component's `http.ts` answers a request (reference functions.md §14). Paths are compared as they come in the
 * request line: percent-encoded, without the query, trailing slashes kept.
 */

export interface HttpRoute {
  readonly method: string;
  /** Ends in "*" for a route of a whole prefix. */
  readonly path: string;
}

/** The HTTP routes of one component instance and of those that are mounted in it. */
export interface HttpRouteTree {
  readonly componentPath: string;
  /** Null: it has no `http.ts`. */
  readonly routes: readonly HttpRoute[] | null;
  /** Of the app only: its own routes lie below this, e.g. "/api/". */
  readonly httpPrefix: string | null;
  /** By prefix, which starts and ends with a slash. */
  readonly mounts: ReadonlyMap<string, HttpRouteTree>;
}

export type HttpRouteMatch =
  /** That component's `http.ts` has the route. `localPath`: the path as it counts there. */
  | {
      readonly kind: "routed";
      readonly componentPath: string;
      readonly localPath: string;
      readonly route: HttpRoute;
    }
  /** No route is known, but that component's `http.ts` gets to say so: routers of other libraries look routes up themselves. */
  | { readonly kind: "unrouted"; readonly componentPath: string; readonly localPath: string }
  /** There are mounts, but no `http.ts` that could answer. */
  | { readonly kind: "nobody" }
  /** The deployment has no `http.ts` and mounts nothing. */
  | { readonly kind: "disabled" };

/** `method`: HEAD is looked up as GET. `path`: starts with "/". */
export function matchHttpRoute(tree: HttpRouteTree, method: string, path: string): HttpRouteMatch {
  if (tree.routes === null && tree.mounts.size === 0) return { kind: "disabled" };
  return find(tree, method === "HEAD" ? "GET" : method, path, null);
}

/** `fallback`: who answers when no component further down has an `http.ts`. */
function find(
  tree: HttpRouteTree,
  method: string,
  path: string,
  fallback: (HttpRouteMatch & { readonly kind: "unrouted" }) | null,
): HttpRouteMatch {
  const { componentPath } = tree;
  const ownPath = stripPrefix(path, tree.httpPrefix);
  const routes = (ownPath === null ? null : tree.routes)?.filter((route) => route.method === method) ?? [];
  const exact = routes.find((route) => route.path === ownPath);
  if (exact !== undefined) return { kind: "routed", componentPath, localPath: ownPath ?? path, route: exact };

  const prefixed = longest(
    routes.filter((route) => route.path.endsWith("*") && ownPath!.startsWith(route.path.slice(0, -1))),
    (route) => route.path.length - 1,
  );
  const mount = longest(
    [...tree.mounts].filter(([prefix]) => path.startsWith(prefix)),
    ([prefix]) => prefix.length,
  );
  const own =
    tree.routes === null
      ? fallback
      : ({ kind: "unrouted", componentPath, localPath: ownPath ?? path } as const);
  // On equal length the mount is taken.
  if (mount !== null && (prefixed === null || mount[0].length >= prefixed.path.length - 1)) {
    return find(mount[1], method, path.slice(mount[0].length - 1), own);
  }
  if (prefixed !== null)
    return { kind: "routed", componentPath, localPath: ownPath ?? path, route: prefixed };
  return own ?? { kind: "nobody" };
}

/** The rest of the path, with its leading slash; null when it does not lie below the prefix. */
function stripPrefix(path: string, prefix: string | null): string | null {
  if (prefix === null || prefix === "/") return path;
  const bare = prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
  if (path === bare) return "/";
  return path.startsWith(`${bare}/`) ? path.slice(bare.length) : null;
}

function longest<T>(items: readonly T[], lengthOf: (item: T) => number): T | null {
  let best: T | null = null;
  for (const item of items) if (best === null || lengthOf(item) > lengthOf(best)) best = item;
  return best;
}
