import { internalErrorMessage, LensletError } from "../base/errors.ts";
import { formatFailure } from "../runner/failure.ts";
import type { RunFailure } from "../runner/types.ts";
import type { ReadSet } from "../transaction/readSet.ts";
import type { FunctionResult } from "./api.ts";
import type { CallContext } from "./callContext.ts";
import type { FunctionRunResult } from "./execution.ts";

/** What came of a query, or of one of the server's own functions. */
export interface Outcome {
  readonly result: FunctionResult;
  readonly journal: string | null;
  readonly reads: ReadSet;
  readonly context: CallContext | null;
}

export function failedBeforeRunning(failure: RunFailure, reads: ReadSet): Outcome {
  const result: FunctionResult = { ok: false, error: { message: formatFailure(failure) }, logLines: [] };
  return { result, journal: null, reads, context: null };
}

/** What escapes a run, as its caller sees it. `message` in place of the error's own, if there is one. */
export function failedRun(error: unknown, message: string | null): FunctionRunResult & { ok: false } {
  const isExpected = error instanceof LensletError;
  const text = message ?? (isExpected ? error.message : internalErrorMessage);
  const data = isExpected && error.data !== undefined ? { dataJson: JSON.stringify(error.data) } : {};
  return { ok: false, failure: { message: text, frames: [], ...data }, journal: null, hasReturned: false };
}
