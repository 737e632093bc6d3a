import { ConvexError } from "convex/values";
import type { ErrorData } from "../../packages/convex/model/errors.ts";

/** What to tell a person about an error: the function's own words, or that it is not their fault. */
export function failureText(error: unknown): string {
  if (error instanceof ConvexError) return (error.data as ErrorData).message;
  return "That did not work. Please try again in a moment.";
}
