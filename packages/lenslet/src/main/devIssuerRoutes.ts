import type { IncomingMessage, ServerResponse } from "node:http";
import { type DevIssuer, devIssuerPath, devPersonSchema } from "./devIssuer.ts";

const bodyBytesMax = 16 * 1024;
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Adds the development issuer's two endpoints in front of the API: `jwks.json` and `token`. */
export function devIssuerRoutes(issuer: DevIssuer, next: Handler): Handler {
  return (request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    if (!path.startsWith(`${devIssuerPath}/`)) {
      next(request, response);
      return;
    }
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "content-type");
    if (request.method === "OPTIONS") response.writeHead(204).end();
    else if (path === `${devIssuerPath}/jwks.json`) sendJson(response, 200, issuer.jwks);
    else if (path === `${devIssuerPath}/token` && request.method === "POST")
      void sendToken(issuer, request, response);
    else
      sendJson(response, 404, {
        code: "NotFound",
        message: "The development issuer has only jwks.json and token.",
      });
  };
}

async function sendToken(
  issuer: DevIssuer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const person = devPersonSchema.safeParse(JSON.parse(await readBody(request)));
    if (!person.success) {
      sendJson(response, 400, {
        code: "BadPerson",
        message: 'Send {"name": ..., "email"?: ...}: a name of 1 to 100 characters.',
      });
      return;
    }
    sendJson(response, 200, { token: await issuer.token(person.data) });
  } catch {
    sendJson(response, 400, {
      code: "BadJsonBody",
      message: 'The body must be JSON: {"name": ..., "email"?: ...}.',
    });
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new Error("body too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
