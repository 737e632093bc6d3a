import type { Infer } from "convex/values";
import type { deviceInfo } from "../schema.ts";
import { limits } from "./limits.ts";

/** Order matters: Edge says that it is Chrome, Chrome that it is Safari. */
const browsers: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\bHeadlessChrome\/|\bChrome\/|\bCriOS\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];

const platforms: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b|\biPad\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** What a browser says about itself, in words a person recognises their device by. */
export function describeDevice(
  userAgent: string | null | undefined,
  ipAddress: string | null | undefined,
): Infer<typeof deviceInfo> {
  const text = (userAgent ?? "").slice(0, limits.userAgentLengthMax);
  const nameIn = (list: typeof browsers) => list.find(([pattern]) => pattern.test(text))?.[1];
  return {
    userAgent: text,
    platform: nameIn(platforms) ?? "Unknown system",
    browser: nameIn(browsers) ?? "Unknown browser",
    ...(ipAddress === null || ipAddress === undefined || ipAddress === "" ? {} : { ipAddress }),
  };
}
