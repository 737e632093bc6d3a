import { type HttpRouteTree, matchHttpRoute } from "../../lenslet/src/engine/httpRouting.ts";
import { ActionHost } from "./actionFunction.ts";
import type { Backend } from "./backend.ts";
import type { Caller } from "./call.ts";
import type { Component } from "./deployment.ts";
import { forTest } from "./failures.ts";
import { runWithHost } from "./host.ts";
import { inspectFunction, invocable, type RegisteredFunction } from "./modules.ts";
import { siteUrl } from "./platform.ts";

interface Router {
  readonly isRouter?: boolean;
  getRoutes(): readonly (readonly [path: string, method: string, handler: RegisteredFunction])[];
  lookup(path: string, method: string): readonly [RegisteredFunction, string, string] | null;
}

/** Answers an HTTP request as the `http.ts` of the app and of mounted components do (functions.md §14); what a handler throws is thrown. */
export async function answerRequest(
  backend: Backend,
  caller: Caller,
  pathQueryFragment: string,
  init: RequestInit | undefined,
): Promise<Response> {
  if (!pathQueryFragment.startsWith("/"))
    throw new Error(
      `t.fetch takes a path that starts with a /, such as "/webhook"; received "${pathQueryFragment}"`,
    );
  const request = new Request(`${siteUrl}${pathQueryFragment}`, init);
  const tree = await routesOf(backend, backend.deployment.component(""));
  const match = matchHttpRoute(tree, request.method, new URL(request.url).pathname);
  if (match.kind === "disabled")
    return new Response("This Convex deployment does not have HTTP actions enabled.", { status: 404 });
  if (match.kind === "nobody") return new Response("No matching routes found", { status: 404 });
  const { localPath } = match;
  const component = backend.deployment.component(match.componentPath);
  const router = await routerOf(component);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const route = match.kind === "routed" ? router?.lookup(localPath, method) : null;
  if (route === null || route === undefined)
    return new Response(`No HttpAction routed for ${localPath}`, { status: 404 });
  const [registered] = route;
  const info = inspectFunction({ module: "http.js", name: "default" }, registered);
  const host = new ActionHost(backend, { component, fn: { info, registered }, argsJson: "[]", caller });
  let response: Response;
  try {
    response = await runWithHost(host, async () => {
      const answer = await invocable(registered).invokeHttpAction?.(request);
      if (answer === undefined || typeof answer.arrayBuffer !== "function")
        throw new Error("HTTP actions must return a Response");
      return answer;
    });
  } catch (thrown) {
    throw forTest(thrown);
  }
  if (request.method !== "HEAD") return response;
  return new Response(null, { status: response.status, headers: response.headers });
}

async function routerOf({ modules }: Component): Promise<Router | null> {
  const router = (await modules.load("http"))?.["default"] as Router | undefined;
  if (router === undefined) return null;
  if (router.isRouter !== true) throw new Error("The default export of `convex/http.js` is not a Router.");
  return router;
}

/** The routes of a component and of those that are mounted in it with a prefix. */
async function routesOf(backend: Backend, component: Component): Promise<HttpRouteTree> {
  const router = await routerOf(component);
  const mounts = new Map<string, HttpRouteTree>();
  for (const child of backend.deployment.childrenOf(component)) {
    if (child.httpPrefix !== null) mounts.set(child.httpPrefix, await routesOf(backend, child));
  }
  return {
    componentPath: component.path,
    routes: router?.getRoutes().map(([path, method]) => ({ path, method })) ?? null,
    httpPrefix: component.path === "" ? component.httpPrefix : null,
    mounts,
  };
}
