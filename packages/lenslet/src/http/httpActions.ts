import type { IncomingMessage, ServerResponse } from "node:http";
import { LensletError } from "../base/errors.ts";
import type { Identity } from "../engine/api.ts";
import { drain } from "./body.ts";
import { errorAnswer } from "./errors.ts";
import type { ServerState } from "./exchange.ts";
import { HttpActionConnectionOf } from "./httpActionConnection.ts";
import { fullUrl, rawPath } from "./requestTarget.ts";
import type { HttpActionCall, HttpActionEnd } from "./services.ts";

const disabledText = "This Convex deployment does not have HTTP actions enabled.";
const nobodyText = "No matching routes found";
const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const methodsWithBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/**
 * Everything on the site origin, and `{cloud}/http/*` (http-api.md §5). No CORS headers: OPTIONS belongs to user code.
 * `prefix`: what the path has in front of what routes see.
 */
export function answerHttpAction(
  request: IncomingMessage,
  response: ServerResponse,
  state: ServerState,
  prefix: "" | "/http",
): void {
  ignoreDisconnects(request, response);
  answer(request, response, state, prefix).catch((error: unknown) => {
    const refusal = errorAnswer(error);
    if (refusal.isUnexpected)
      state.options.onUnexpectedError(error, `${request.method ?? ""} ${request.url ?? ""}`);
    if (response.headersSent) response.destroy();
    else send(response, refusal.status, "application/json", refusal.body);
    drain(request);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  state: ServerState,
  prefix: "" | "/http",
): Promise<void> {
  const { options, requestIds } = state;
  const method = request.method ?? "GET";
  if (!methods.has(method)) {
    response.setHeader("allow", [...methods].join(", "));
    sendText(response, 405, `HTTP actions answer ${[...methods].join(", ")} only.`);
    drain(request);
    return;
  }
  const { convexSiteUrl } = options.engine.deployment().canonicalUrls;
  const url = fullUrl(request, URL.parse(convexSiteUrl)?.host ?? "localhost");
  if (url === null) {
    sendText(response, 400, "The request names no valid URL.");
    drain(request);
    return;
  }
  const hasBody = methodsWithBody.has(method);
  const connection = new HttpActionConnectionOf(request, response, hasBody);
  const call: HttpActionCall = {
    method,
    path: rawPath(request).slice(prefix.length) || "/",
    url,
    headers: headerPairs(request),
    hasBody,
    identity: await identityOf(request, state),
    requestId: requestIds.next(request.headers["convex-request-id"]),
    client: options.clientMetadataOf(request.headers, request.socket.remoteAddress),
  };
  try {
    const end = await options.runHttpAction(call, connection);
    finish(end, call, response, connection, options.redact);
  } finally {
    connection.release();
  }
}

function finish(
  end: HttpActionEnd,
  { requestId }: HttpActionCall,
  response: ServerResponse,
  connection: HttpActionConnectionOf,
  redact: boolean,
): void {
  switch (end.kind) {
    case "disabled":
      sendText(response, 404, disabledText);
      return;
    case "nobody":
      sendText(response, 404, nobodyText);
      return;
    case "ended":
      return;
    case "failed":
      // Who has got a part of an answer must not take it for the whole.
      if (connection.hasEnded) return;
      if (connection.hasHead) response.destroy();
      else send(response, 500, "application/json", failureBody(end.failure, requestId, redact));
  }
}

/** functions.md §14 */
function failureBody(
  { message, frames, dataJson }: (HttpActionEnd & { kind: "failed" })["failure"],
  requestId: string,
  redact: boolean,
): string {
  const code = `[Request ID: ${requestId}] Server Error`;
  const trace = `${[message, ...frames].join("\n")}\n`;
  const shown = redact ? { code } : { code: `${code}: ${message}`, trace };
  const body = JSON.stringify(shown);
  return dataJson === undefined ? body : `${body.slice(0, -1)},"data":${dataJson}}`;
}

/** A credential that is refused does not keep the action from running: who asks for the identity gets to know. */
async function identityOf(request: IncomingMessage, { options }: ServerState): Promise<Identity> {
  const header = request.headers.authorization;
  if (header === undefined) return { kind: "anonymous" };
  try {
    return await options.authenticator.parseAuthorization(header);
  } catch (error) {
    if (!(error instanceof LensletError)) throw error;
    return { kind: "anonymous", error: error.message };
  }
}

function headerPairs({ rawHeaders }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) pairs.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  return pairs;
}

function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", text);
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.statusCode = status;
  response.setHeader("content-type", contentType);
  response.end(body);
}

/** A client that goes away is no error of the server; without listeners Node would throw. */
export function ignoreDisconnects(request: IncomingMessage, response: ServerResponse): void {
  request.on("error", ignore);
  response.on("error", ignore);
}

function ignore(): void {}
