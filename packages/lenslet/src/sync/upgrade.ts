import type { Duplex } from "node:stream";
import { badRequest, type LensletError } from "../base/errors.ts";

/** Who connects: `npm` 1.48.0 from the path, anything from a `Convex-Client` header, null from neither. */
export interface ClientVersion {
  readonly name: string;
  readonly version: readonly [number, number, number];
}

/** True for the two forms of the URL; anything else is not ours. */
export function isSyncPath(pathname: string): boolean {
  return pathname === "/api/sync" || /^\/api\/[^/]+\/sync$/.test(pathname);
}

/**
 * The client version of an upgrade request, null if it names none. Throws BadRequest `InvalidVersion`,
 * `InvalidClientVersion` or `ClientVersionUnsupported`.
 */
export function parseClientVersion(pathname: string, header: string | undefined): ClientVersion | null {
  const inPath = /^\/api\/([^/]+)\/sync$/.exec(pathname)?.[1];
  const version = inPath === undefined ? null : parseVersion(inPath);
  if (inPath !== undefined && version === null) {
    throw badRequest(
      "InvalidVersion",
      `Failed to parse client version: ${JSON.stringify(inPath.slice(0, 100))}`,
    );
  }
  const client = header === undefined ? version && { name: "npm", version } : parseClientHeader(header);
  if (client && isUnsupported(client)) {
    throw badRequest(
      "ClientVersionUnsupported",
      `The Convex client version ${client.version.join(".")} is too old. Update the convex package: npm install convex@latest`,
    );
  }
  return client;
}

/** `{name}-{semver}`, longest semver suffix wins. */
function parseClientHeader(header: string): ClientVersion {
  for (let dash = header.indexOf("-"); dash >= 0; dash = header.indexOf("-", dash + 1)) {
    const version = parseVersion(header.slice(dash + 1));
    if (version) return { name: header.slice(0, dash), version };
  }
  throw badRequest(
    "InvalidClientVersion",
    `Failed to parse client version: ${JSON.stringify(header.slice(0, 100))}`,
  );
}

function parseVersion(text: string): [number, number, number] | null {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.exec(text);
  return match && [Number(match[1]), Number(match[2]), Number(match[3])];
}

function isUnsupported(client: ClientVersion): boolean {
  return (client.name === "npm" || client.name === "npm-cli") && compare(client.version, [0, 19, 1]) <= 0;
}

/** TransitionChunk came with npm 1.28.0. */
export function supportsChunks(client: ClientVersion | null): boolean {
  return client !== null && client.name === "npm" && compare(client.version, [1, 28, 0]) >= 0;
}

function compare(a: ClientVersion["version"], b: ClientVersion["version"]): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** Answers an upgrade request with an HTTP error and hangs up. */
export function refuseUpgrade(
  socket: Duplex,
  status: string,
  error: Pick<LensletError, "code" | "message">,
): void {
  const body = JSON.stringify({ code: error.code, message: error.message });
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
