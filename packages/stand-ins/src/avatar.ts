import { escapeHtml } from "./htmlPage.ts";
import type { ServiceAnswer } from "./service.ts";

/** A picture with somebody's initials, in a colour that is always theirs. */
export function avatarOf(name: string): ServiceAnswer {
  const words = name.split(/\s+/).filter((word) => word !== "");
  const initials = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => word?.[0] ?? "");
  let hue = 0;
  for (const character of name) hue = (hue * 31 + (character.codePointAt(0) ?? 0)) % 360;
  return {
    headers: { "content-type": "image/svg+xml", "cache-control": "max-age=86400" },
    body: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="hsl(${hue} 48% 42%)"/><text x="48" y="50" fill="#fff" font-family="system-ui, sans-serif" font-size="38" font-weight="600" text-anchor="middle" dominant-baseline="central">${escapeHtml(initials.join("").toUpperCase())}</text></svg>`,
  };
}
