import type { IncomingMessage, ServerResponse } from "node:http";

const noHttpActions = "This Convex deployment does not have HTTP actions enabled.";

/**
 * `{cloud}/http/*` and everything on the site origin (http-api.md §5). No CORS headers: OPTIONS belongs to user code.
 * HTTP actions cannot run yet, so every deployment answers like one that has none.
 */
export function answerHttpAction(request: IncomingMessage, response: ServerResponse): void {
  ignoreDisconnects(request, response);
  const length = String(Buffer.byteLength(noHttpActions));
  response.writeHead(404, ["content-type", "text/plain; charset=utf-8", "content-length", length]);
  response.end(noHttpActions);
}

/** A client that goes away is no error of the server; without listeners Node would throw. */
export function ignoreDisconnects(request: IncomingMessage, response: ServerResponse): void {
  request.on("error", ignore);
  response.on("error", ignore);
}

function ignore(): void {}

/** For the second listener (default port 3211). */
export function createSiteHandler(): (request: IncomingMessage, response: ServerResponse) => void {
  return answerHttpAction;
}
