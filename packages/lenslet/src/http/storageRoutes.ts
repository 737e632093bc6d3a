import type { Readable } from "node:stream";
import { badRequest, LensletError } from "../base/errors.ts";
import { isFileId } from "../deploy/fileRows.ts";
import type { FoundFile } from "../engine/storageOperations.ts";
import { checkUploadToken } from "../protocol/uploadToken.ts";
import { type Exchange, requiredParameter } from "./exchange.ts";
import { HttpError } from "./errors.ts";
import { parseRange } from "./range.ts";
import type { Router } from "./router.ts";

/** Without a byte for so long an upload or a download counts as given up by the other side. */
export const idleMsMax = 120_000;
const cacheControl = "private, max-age=2592000";

/** File storage (http-api.md §4). */
export function addStorageRoutes(router: Router): void {
  router.add("POST", "/api/storage/upload", upload);
  router.addPrefix("ANY", "/api/storage/", (exchange) => {
    const method = exchange.request.method ?? "GET";
    if (method === "GET" || method === "HEAD") return serve(exchange);
    throw new HttpError(405, "MethodNotAllowed", "Files answer GET and HEAD only.", ["allow", "GET, HEAD"]);
  });
}

async function upload(exchange: Exchange): Promise<void> {
  const { files, tokenSecrets, clock } = exchange.options;
  const { headers } = exchange.request;
  const token = requiredParameter(exchange.query, "token");
  const { component } = checkUploadToken(tokenSecrets, token, clock.nowMs());
  const contentType = headers["content-type"] ?? null;
  const sha256 = digestOf(headers["digest"]);
  const body = exchange.stream(idleMsMax);
  const storageId = await files.store({ component, contentType, sha256 }, body);
  exchange.sendJson(JSON.stringify({ storageId }));
}

/** `sha-256=<base64>`, possibly among other digests. */
function digestOf(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  const texts = String(header).split(",");
  for (const text of texts) {
    const match = /^\s*sha-256=(.*?)\s*$/i.exec(text);
    if (match === null) continue;
    const bytes = Buffer.from(match[1] as string, "base64");
    if (bytes.length === 32) return bytes.toString("base64");
    throw badRequest("InvalidDigest", "The Digest header must be sha-256=<base64 of 32 bytes>.");
  }
  return null;
}

async function serve(exchange: Exchange): Promise<void> {
  const { files } = exchange.options;
  const fileId = decodePath(exchange.path.slice("/api/storage/".length));
  if (!isFileId(fileId)) {
    throw badRequest(
      "InvalidStoragePath",
      `Invalid storage path: "${fileId}". Please use \`storage.getUrl(storageId: Id<"_storage">)\` to generate a valid URL to retrieve files. See https://docs.convex.dev/file-storage/serve-files for more details`,
    );
  }
  const file = await files.find(exchange.query.get("component") ?? "", fileId);
  if (file === null) throw fileNotFound(fileId);
  await send(exchange, file, () => fileNotFound(fileId));
}

async function send(exchange: Exchange, file: FoundFile, missing: () => LensletError): Promise<void> {
  const { headers, method } = exchange.request;
  const etag = `"${Buffer.from(file.sha256, "base64").toString("hex")}"`;
  const head = ["cache-control", cacheControl, "accept-ranges", "bytes", "etag", etag];
  if (matches(headers["if-none-match"], etag)) {
    exchange.sendStatus(304, head);
    return;
  }
  // What a user has uploaded is shown as what it says it is and as nothing else.
  head.push("x-content-type-options", "nosniff");
  if (file.contentType !== null && isHeaderValue(file.contentType))
    head.push("content-type", file.contentType);
  // A range of an older version of the file would be of no use; here there is only one version.
  const isRangeWanted = headers["if-range"] === undefined || headers["if-range"] === etag;
  const range = isRangeWanted ? parseRange(headers.range, file.size) : null;
  if (range === "unsatisfiable") {
    throw new HttpError(416, "RangeNotSatisfiable", "The requested range is not inside of the file.", [
      "content-range",
      `bytes */${file.size}`,
      "accept-ranges",
      "bytes",
    ]);
  }
  const { start, end } = range ?? { start: 0, end: file.size };
  head.push("content-length", String(end - start));
  if (range === null) head.push("digest", `sha-256=${file.sha256}`);
  else head.push("content-range", `bytes ${start}-${end - 1}/${file.size}`);
  const status = range === null ? 200 : 206;
  if (method === "HEAD") {
    exchange.sendStatus(status, head);
    return;
  }
  const contents: Readable | null = await exchange.options.files.read(file.key, { start, end });
  if (contents === null) throw missing();
  await exchange.sendStream(status, head, contents, idleMsMax);
}

/** Imports and raw calls store any text as a type; what cannot be sent as one is left out. */
function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}

function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function fileNotFound(fileId: string): LensletError {
  return new LensletError("NotFound", "FileNotFound", `File ${fileId} not found`);
}
