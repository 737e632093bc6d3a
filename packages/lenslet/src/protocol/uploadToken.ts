import { createHmac, timingSafeEqual } from "node:crypto";
import { LensletError } from "../base/errors.ts";

/** limits.md #103 */
export const uploadTokenAgeMaxMs = 3600 * 1000;

/** What an upload URL allows: one component's files, for an hour. */
export interface UploadGrant {
  /** Namespace of the component. */
  readonly component: string;
  readonly issuedMs: number;
}

/** The token of an upload URL; whoever has it may store files (http-api.md §4). */
export function uploadToken(secret: Uint8Array, { component, issuedMs }: UploadGrant): string {
  const payload = Buffer.from(JSON.stringify([component, Math.floor(issuedMs)])).toString("base64url");
  return `${payload}.${signature(secret, payload)}`;
}

/** `secrets`: one of them has signed it. Throws StorageTokenInvalid, StorageTokenExpired. */
export function checkUploadToken(secrets: readonly Uint8Array[], token: string, nowMs: number): UploadGrant {
  const [payload = "", signed = "", ...rest] = token.split(".");
  const given = Buffer.from(signed);
  const isGenuine =
    rest.length === 0 &&
    secrets.some((secret) => {
      const expected = Buffer.from(signature(secret, payload));
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
  if (!isGenuine) {
    throw new LensletError(
      "Unauthenticated",
      "StorageTokenInvalid",
      "Couldn't decode the StoreFileAuthorization token",
    );
  }
  const [component, issuedMs] = JSON.parse(Buffer.from(payload, "base64url").toString()) as [string, number];
  if (nowMs - issuedMs > uploadTokenAgeMaxMs) {
    throw new LensletError("Unauthenticated", "StorageTokenExpired", "Store File Authorization expired");
  }
  return { component, issuedMs };
}

/** What is signed says what it is for: once this secret signed other things too. */
function signature(secret: Uint8Array, payload: string): string {
  return createHmac("sha256", secret).update(`upload\0${payload}`).digest("base64url");
}
