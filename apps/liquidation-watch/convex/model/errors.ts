import { ConvexError } from "convex/values";

type Code = "invalid" | "feed_closed" | "feed_key" | "not_found" | "too_fast";

export interface ErrorData {
  readonly code: Code;
  readonly message: string;
  readonly [key: string]: string;
}

/** Ends the call with a code that clients can tell apart and a sentence for people that says what to do. */
export function refuse(code: Code, message: string): never {
  throw new ConvexError<ErrorData>({ code, message });
}
