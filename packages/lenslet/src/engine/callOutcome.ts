import { formatFailure } from "../runner/failure.ts";
import type { RunFailure } from "../runner/types.ts";
import type { ReadSet } from "../transaction/readSet.ts";
import type { FunctionResult } from "./api.ts";
import type { CallContext } from "./callContext.ts";

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
