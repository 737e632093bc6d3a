import { ConvexError } from "convex/values";

/** Codes are API: clients decide by them. Messages are for people. */
export type ErrorCode =
  | "UNAUTHENTICATED"
  | "USER_NOT_FOUND"
  | "UNAUTHORIZED"
  | "NOT_FOUND"
  | "INVALID_INPUT"
  | "CONFLICT"
  | "RATE_LIMITED"
  | "INSUFFICIENT_CREDITS"
  | "PLAN_LIMIT"
  | "SERVICE_FAILED"
  | "NOT_CONFIGURED";

/** What `error.data` is in a client; some codes have more fields, see README.md. */
export type ErrorData = { code: ErrorCode; message: string } & Record<string, string | number>;

/** The one way to make an expected error. */
export function backendError(
  code: ErrorCode,
  message: string,
  more: Readonly<Record<string, string | number>> = {},
): ConvexError<ErrorData> {
  return new ConvexError<ErrorData>({ code, message, ...more });
}
