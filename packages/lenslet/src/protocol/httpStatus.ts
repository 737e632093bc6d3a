import { unreachable } from "../base/assert.ts";
import type { ErrorCategory } from "../base/errors.ts";

/** Error category to HTTP status (http-api.md §1.2). */
export function statusOf(category: ErrorCategory): number {
  switch (category) {
    case "BadRequest":
    case "PaginationLimit":
      return 400;
    case "Unauthenticated":
    case "AuthUpdateFailed":
      return 401;
    case "Forbidden":
      return 403;
    case "NotFound":
      return 404;
    case "ClientDisconnect":
      return 408;
    case "Conflict":
      return 409;
    case "MisdirectedRequest":
      return 421;
    case "TooEarly":
      return 425;
    case "RateLimited":
      return 429;
    case "Overloaded":
    case "OutOfRetention":
    case "FeatureTemporarilyUnavailable":
    case "RejectedBeforeExecution":
      return 503;
    case "Internal":
      return 500;
    default:
      return unreachable(category);
  }
}

/** A conflict that the server gave up on is no fault of the request. */
export const occCode = "OptimisticConcurrencyControlFailure";
