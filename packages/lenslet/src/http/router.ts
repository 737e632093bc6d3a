import type { Exchange } from "./exchange.ts";
import { HttpError, notFound } from "./errors.ts";

export type Route = (exchange: Exchange) => Promise<void> | void;
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Exact paths first, then the longest matching prefix. HEAD is routed as GET. */
export class Router {
  readonly #exact = new Map<string, Map<string, Route>>();
  readonly #prefixes: { readonly prefix: string; readonly method: Method | "ANY"; readonly route: Route }[] =
    [];

  add(method: Method, path: string, route: Route): void {
    const methods = this.#exact.get(path) ?? new Map<string, Route>();
    methods.set(method, route);
    if (method === "GET") methods.set("HEAD", route);
    this.#exact.set(path, methods);
  }

  addPrefix(method: Method | "ANY", prefix: string, route: Route): void {
    this.#prefixes.push({ prefix, method, route });
    this.#prefixes.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** Throws HttpError 404 or 405. */
  find(method: string, path: string): Route {
    const methods = this.#exact.get(path);
    if (methods !== undefined) {
      const route = methods.get(method);
      if (route === undefined) throw wrongMethod(path, [...methods.keys()]);
      return route;
    }
    for (const entry of this.#prefixes) {
      if (!path.startsWith(entry.prefix)) continue;
      if (entry.method !== "ANY" && entry.method !== method) throw wrongMethod(path, [entry.method]);
      return entry.route;
    }
    throw notFound(path);
  }
}

function wrongMethod(path: string, allowed: readonly string[]): HttpError {
  const methods = allowed.join(", ");
  return new HttpError(405, "MethodNotAllowed", `${path.slice(0, 200)} answers ${methods} only.`, [
    "allow",
    methods,
  ]);
}
