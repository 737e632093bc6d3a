import type { EgressMap } from "../runner/actionHost/egress.ts";

/**
 * Parses "https://api.resend.com=http://127.0.0.1:4010", several of them separated by commas. Throws an Error that
 * says what is wrong.
 */
export function parseEgress(text: string): EgressMap {
  const map: Record<string, string> = {};
  for (const part of text.split(",").map((entry) => entry.trim())) {
    if (part === "") continue;
    const [from, to, ...more] = part.split("=");
    if (from === undefined || to === undefined || more.length > 0) {
      throw new Error(`"${part}" must be two origins like https://api.example.com=http://127.0.0.1:4010.`);
    }
    map[originOf(from)] = originOf(to);
  }
  return map;
}

function originOf(text: string): string {
  const url = URL.parse(text.trim());
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search || url.hash) {
    throw new Error(`"${text.trim()}" is no origin like https://api.example.com, without a path.`);
  }
  return url.origin;
}
