import { ActionHost } from "./actionFunction.ts";
import type { Backend } from "./backend.ts";
import type { Caller } from "./call.ts";
import { forTest } from "./failures.ts";
import { runWithHost } from "./host.ts";
import { inspectFunction, invocable, type RegisteredFunction } from "./modules.ts";
import { siteUrl } from "./platform.ts";

interface Router {
  readonly isRouter?: boolean;
  lookup(path: string, method: string): readonly [RegisteredFunction, string, string] | null;
}

/** Answers an HTTP request as the app's `http.ts` does (functions.md §14); what a handler throws is thrown. */
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
  const component = backend.deployment.component("");
  const router = (await component.modules.load("http"))?.["default"] as Router | undefined;
  if (router === undefined)
    return new Response("This Convex deployment does not have HTTP actions enabled.", { status: 404 });
  if (router.isRouter !== true) throw new Error("The default export of `convex/http.js` is not a Router.");
  const request = new Request(`${siteUrl}${pathQueryFragment}`, init);
  const { pathname } = new URL(request.url);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const route = router.lookup(pathname, method);
  if (route === null) return new Response(`No HttpAction routed for ${pathname}`, { status: 404 });
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
