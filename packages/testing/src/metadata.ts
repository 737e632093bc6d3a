import type { Caller } from "./call.ts";

/** The answer of `1.0/getRequestMetadata`. */
export function requestMetadata({ ip, userAgent, requestId, scheduledFunctionId }: Caller): string {
  return JSON.stringify({ ip, userAgent, requestId, scheduledFunctionId, authToken: null });
}
