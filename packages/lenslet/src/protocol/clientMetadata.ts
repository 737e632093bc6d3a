import type { IncomingHttpHeaders } from "node:http";
import { BlockList, isIP } from "node:net";

/** limits.md #75 */
const ipBytesMax = 256;
const userAgentBytesMax = 512;

/** For `ctx.meta.getRequestMetadata()`. The user agent is the client's word. */
export interface ClientMetadata {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

export type ClientMetadataOf = (
  headers: IncomingHttpHeaders,
  remoteAddress: string | undefined,
) => ClientMetadata;

const loopback = ["127.0.0.0/8", "::1"];
const privateNetworks = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "fc00::/7",
  "fe80::/10",
];
const named: Readonly<Record<string, readonly string[]>> = {
  none: [],
  loopback,
  private: [...loopback, ...privateNetworks],
};

/**
 * How to tell the address of a client. A proxy appends the address it was asked from to `X-Forwarded-For`; what stands
 * before that is the word of whoever asked the proxy. So the list is read from its end, for as long as the one who
 * appended is trusted.
 *
 * `trusted`: addresses, ranges ("10.0.0.0/8"), "loopback", "private" or "none", separated by commas. Null if it is not that.
 */
export function clientMetadataBehind(trusted: string): ClientMetadataOf | null {
  const proxies = new BlockList();
  for (const word of trusted.split(",").map((each) => each.trim())) {
    for (const range of named[word] ?? [word]) {
      if (!addRange(proxies, range)) return null;
    }
  }
  return (headers, remoteAddress) => {
    const userAgent = headers["user-agent"] ?? null;
    const ip = clientAddress(proxies, String(headers["x-forwarded-for"] ?? ""), remoteAddress);
    return {
      ip: ip === null ? null : cutBytes(ip, ipBytesMax),
      userAgent: userAgent === null ? null : cutBytes(userAgent, userAgentBytesMax),
    };
  };
}

function clientAddress(
  proxies: BlockList,
  forwarded: string,
  remoteAddress: string | undefined,
): string | null {
  let address = remoteAddress === undefined ? null : plainAddress(remoteAddress);
  if (forwarded === "") return address;
  const entries = forwarded.split(",").map((entry) => plainAddress(entry.trim()));
  // A socket that is gone, or one of the file system, has no address: whoever has it is on this machine.
  while (entries.length > 0 && (address === null || isWithin(proxies, address))) {
    const entry = entries.pop()!;
    if (entry !== "") address = entry;
  }
  return address;
}

/** An IPv4 address in an IPv6 socket is that address; proxies may add a port. */
function plainAddress(text: string): string {
  const mapped = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)(?::\d+)?$/i.exec(text)?.[1];
  return mapped ?? /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? text;
}

function isWithin(proxies: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && proxies.check(address, version === 4 ? "ipv4" : "ipv6");
}

function addRange(proxies: BlockList, range: string): boolean {
  const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(range) ?? [];
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 4 ? "ipv4" : "ipv6";
  const bitsMax = version === 4 ? 32 : 128;
  const prefix = Number(bits ?? bitsMax);
  if (prefix > bitsMax) return false;
  proxies.addSubnet(address, prefix, family);
  return true;
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
