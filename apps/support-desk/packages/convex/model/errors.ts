import { ConvexError } from "convex/values";

/** What went wrong, for programs. The message beside it is for people. */
export type ErrorCode =
  | "unauthenticated" // no session, or it has ended: sign in, or refresh it
  | "forbidden" // signed in, but this is not theirs to do
  | "invalid" // an argument breaks a rule; `field` names it
  | "not_found" // absent, or not visible to this person: the two look the same
  | "conflict" // something in that state or under that name exists already
  | "rate_limited" // too often; `retryAfterMs` says when it is worth trying again
  | "not_configured"; // an environment variable of the deployment is missing

export type ErrorData = { code: ErrorCode; message: string; field?: string; retryAfterMs?: number };

/** The one way a function of this package refuses. */
export function appError(
  code: ErrorCode,
  message: string,
  more: { field?: string; retryAfterMs?: number } = {},
): ConvexError<ErrorData> {
  return new ConvexError({ code, message, ...more });
}
