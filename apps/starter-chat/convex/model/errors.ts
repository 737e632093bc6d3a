import { ConvexError } from "convex/values";

/** What went wrong, for programs. The message beside it is for people. */
export type ErrorCode =
  | "unauthenticated" // no valid token
  | "no_account" // a valid token, but createUser has not been called yet
  | "account_deleting" // deleteUser has begun; only finishing it is possible
  | "invalid" // an argument breaks a rule; `field` names it
  | "not_found" // absent, or not visible to this person: the two look the same
  | "forbidden" // visible, but this right is missing
  | "conflict"; // something in that state or under that name exists already

export type ErrorData = { code: ErrorCode; message: string; field?: string };

/** The one way a function of this app refuses. */
export function appError(code: ErrorCode, message: string, field?: string): ConvexError<ErrorData> {
  return new ConvexError(field === undefined ? { code, message } : { code, message, field });
}
