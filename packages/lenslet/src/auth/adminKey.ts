import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * The admin key of an instance: `{instanceName}|{hex}`, where the hex is an HMAC-SHA-256 keyed with the instance secret.
 * It is derived, never stored: whoever has the secret can print it again, and a new secret revokes it.
 */
export function adminKeyOf(instanceName: string, instanceSecret: Uint8Array): string {
  return `${instanceName}|${adminKeyMac(instanceName, instanceSecret)}`;
}

function adminKeyMac(instanceName: string, instanceSecret: Uint8Array): string {
  return createHmac("sha256", instanceSecret).update(`lenslet admin key v1\n${instanceName}`).digest("hex");
}

/** An admin key as presented, taken apart by the rules of http-api.md §1.3. */
export interface PresentedAdminKey {
  /** `name|hex`, or only `hex` when the part before `|` was a `preview:` or `project:` selector. */
  readonly key: string;
  /** Standard base64 of the JSON of the user to act as; null without a suffix. */
  readonly actingAsBase64: string | null;
}

export function splitAdminKey(presented: string): PresentedAdminKey {
  const key = withoutSelector(presented);
  const colon = key.indexOf(":");
  if (colon < 0) return { key, actingAsBase64: null };
  return { key: key.slice(0, colon), actingAsBase64: key.slice(colon + 1) };
}

/** `prod:name|hex` → `name|hex`; `preview:team:project|hex` → `hex`. */
function withoutSelector(presented: string): string {
  const bar = presented.indexOf("|");
  if (bar < 0) return presented;
  const selector = presented.slice(0, bar);
  if (selector.startsWith("preview:") || selector.startsWith("project:")) return presented.slice(bar + 1);
  const colon = selector.indexOf(":");
  return colon < 0 ? presented : presented.slice(colon + 1);
}

/** Whether `key` (from `splitAdminKey`) is the instance's. Takes the same time for every wrong key of one length. */
export function isAdminKey(key: string, instanceName: string, instanceSecret: Uint8Array): boolean {
  const mac = adminKeyMac(instanceName, instanceSecret);
  return sameText(key, `${instanceName}|${mac}`) || sameText(key, mac);
}

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
