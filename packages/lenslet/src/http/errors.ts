import { LensletError, internalErrorMessage } from "../base/errors.ts";
import { occCode, statusOf } from "../protocol/httpStatus.ts";

/** An answer of HTTP itself that has no category in base/errors (404 for a route, 405, 408, 413, 415). */
export class HttpError extends Error {
  override name = "HttpError";
  readonly status: number;
  readonly code: string;
  readonly headers: readonly string[];
  constructor(status: number, code: string, message: string, headers: readonly string[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export interface ErrorAnswer {
  readonly status: number;
  /** JSON text of `{"code","message"}`. */
  readonly body: string;
  /** Raw header list: name, value, name, value, ... */
  readonly headers: readonly string[];
  readonly isUnexpected: boolean;
}

/** Errors that are not ours say nothing to the client. */
export function errorAnswer(error: unknown): ErrorAnswer {
  if (error instanceof HttpError) {
    return answer(error.status, error.code, error.message, error.headers);
  }
  if (error instanceof LensletError && error.category !== "Internal") {
    const status = error.code === occCode ? 503 : statusOf(error.category);
    return answer(status, error.code, error.message, []);
  }
  return { ...answer(500, "InternalServerError", internalErrorMessage, []), isUnexpected: true };
}

function answer(status: number, code: string, message: string, headers: readonly string[]): ErrorAnswer {
  return { status, body: JSON.stringify({ code, message }), headers, isUnexpected: false };
}

export function notFound(path: string): HttpError {
  return new HttpError(404, "NotFound", `This server has no endpoint at ${path.slice(0, 200)}.`);
}

/** An admin key is needed and none was given (http-api.md §1.3). */
export function adminNeeded(instanceName: string): LensletError {
  return new LensletError(
    "Forbidden",
    "BadDeployKey",
    `The provided deploy key was invalid for deployment '${instanceName}'. Double check that the environment this key was generated for matches the desired deployment.`,
  );
}

export function clientDisconnected(): LensletError {
  return new LensletError("ClientDisconnect", "ClientDisconnect", "The client closed the connection.");
}
