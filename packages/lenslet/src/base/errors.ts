/** Error categories of the platform; `http/` maps them to status codes, `sync/` to close codes. */
export type ErrorCategory =
  | "BadRequest"
  | "PaginationLimit"
  | "Unauthenticated"
  | "AuthUpdateFailed"
  | "Forbidden"
  | "NotFound"
  | "ClientDisconnect"
  | "Conflict"
  | "MisdirectedRequest"
  | "TooEarly"
  | "RateLimited"
  | "Overloaded"
  | "OutOfRetention"
  | "FeatureTemporarilyUnavailable"
  | "RejectedBeforeExecution"
  | "Internal";

/**
 * An expected failure with a stable code. Inside a function's syscall it reaches user code as a catchable
 * `Error` with this message when `isDeveloperError` holds; otherwise the execution is aborted.
 * `data` is Convex-encoded JSON and turns the error into a `ConvexError` on the user's side.
 */
export class LensletError extends Error {
  override name = "LensletError";
  readonly category: ErrorCategory;
  readonly code: string;
  readonly data: unknown;
  constructor(category: ErrorCategory, code: string, message: string, data?: unknown) {
    super(message);
    this.category = category;
    this.code = code;
    this.data = data;
  }
}

const developerCategories: ReadonlySet<ErrorCategory> = new Set<ErrorCategory>([
  "BadRequest",
  "Conflict",
  "PaginationLimit",
  "Unauthenticated",
  "Forbidden",
  "NotFound",
]);

/** True for errors that user code may catch and that clients see in full. */
export function isDeveloperError(error: unknown): error is LensletError {
  return error instanceof LensletError && developerCategories.has(error.category);
}

export function badRequest(code: string, message: string, data?: unknown): LensletError {
  return new LensletError("BadRequest", code, message, data);
}

/** What a client is told about an error that carries no information for it. */
export const internalErrorMessage = "Your request couldn't be completed. Try again later.";
