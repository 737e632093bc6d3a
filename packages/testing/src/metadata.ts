import type { Caller } from "./call.ts";

/** The answer of `1.0/getRequestMetadata`. */
export function requestMetadata({ ip, userAgent, requestId, job }: Caller): string {
  return JSON.stringify({
    ip,
    userAgent,
    requestId,
    scheduledFunctionId: job?.idText ?? null,
    authToken: null,
  });
}
