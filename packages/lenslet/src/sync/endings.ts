import { LensletError } from "../base/errors.ts";
import { authErrorText, fatalErrorText } from "../protocol/syncServer.ts";
import { closeReasonBytesMax } from "./limits.ts";

/** How a connection ends: perhaps a last message, then a close frame; `code` null is an empty close frame. */
export interface Ending {
  readonly type: "end";
  readonly text: string | null;
  readonly code: number | null;
  readonly reason: string;
}

export const internalEnding: Ending = { type: "end", text: null, code: 1011, reason: "InternalServerError" };

/**
 * sync-protocol.md §1 and §4.6: errors that would recur stop the client with a FatalError, errors that may pass make
 * it come back. `identityVersion`: of the last Transition sent, for an AuthError.
 */
export function endingOf(error: unknown, identityVersion: number, authUpdateAttempted: boolean): Ending {
  if (!(error instanceof LensletError)) return internalEnding;
  const reason = shortReason(error.code);
  const end = (text: string | null, code: number | null): Ending => ({
    type: "end",
    text,
    code,
    reason: code === null ? "" : reason,
  });
  switch (error.category) {
    case "BadRequest":
    case "Conflict":
      return end(fatalErrorText(error.message), null);
    case "PaginationLimit":
    case "Forbidden":
      return end(fatalErrorText(error.message), 1000);
    case "Unauthenticated":
    case "AuthUpdateFailed":
      return end(authErrorText(error.message, identityVersion, authUpdateAttempted), null);
    case "NotFound":
    case "ClientDisconnect":
      return end(null, 1000);
    case "RateLimited":
    case "Overloaded":
    case "OutOfRetention":
    case "FeatureTemporarilyUnavailable":
    case "RejectedBeforeExecution":
      return end(null, 1013);
    case "Internal":
    case "MisdirectedRequest":
    case "TooEarly":
      return internalEnding;
  }
}

/** A refused `Authenticate`: what the provider says no to is an AuthError, a provider that is down is not (§6.2). */
export function endingOfRefusedToken(error: unknown, identityVersion: number): Ending {
  const refused =
    error instanceof LensletError && ["Unauthenticated", "Forbidden", "BadRequest"].includes(error.category);
  if (!refused) return endingOf(error, identityVersion, true);
  return { type: "end", text: authErrorText(error.message, identityVersion, true), code: null, reason: "" };
}

/** At most 123 bytes, never cut inside a character. */
export function shortReason(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= closeReasonBytesMax) return text;
  let end = closeReasonBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
