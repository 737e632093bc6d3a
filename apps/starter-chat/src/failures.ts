import { ConvexError } from "convex/values";
import type { ErrorData } from "../convex/model/errors.ts";

/** Why something did not work, in words for the person. */
export class AuthFailure extends Error {}

/** What the app's functions say went wrong; null for anything else (a bug, a missing feature, no connection). */
export function appFailure(error: unknown): ErrorData | null {
  if (!(error instanceof ConvexError)) return null;
  const data: unknown = error.data;
  if (typeof data !== "object" || data === null || !("code" in data) || !("message" in data)) return null;
  return data as ErrorData;
}

/** A sentence for the person in front of the screen. */
export function failureText(error: unknown): string {
  if (error instanceof AuthFailure) return error.message;
  return appFailure(error)?.message ?? "Something went wrong. Please try again.";
}
