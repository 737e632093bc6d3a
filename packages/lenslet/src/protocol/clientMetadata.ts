import type { IncomingHttpHeaders } from "node:http";

/** limits.md #75 */
const ipBytesMax = 256;
const userAgentBytesMax = 512;

/** For `ctx.meta.getRequestMetadata()`: told by the client or a proxy, so never to be trusted with a decision. */
export interface ClientMetadata {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

export function clientMetadataOf(
  headers: IncomingHttpHeaders,
  remoteAddress: string | undefined,
): ClientMetadata {
  const forwarded = headers["x-forwarded-for"];
  const first = forwarded === undefined ? undefined : String(forwarded).split(",", 1)[0]?.trim();
  const ip = first === undefined || first === "" ? (remoteAddress ?? null) : first;
  const userAgent = headers["user-agent"] ?? null;
  return {
    ip: ip === null ? null : cutBytes(ip, ipBytesMax),
    userAgent: userAgent === null ? null : cutBytes(userAgent, userAgentBytesMax),
  };
}

/** Cut at the boundary of a character. */
function cutBytes(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
