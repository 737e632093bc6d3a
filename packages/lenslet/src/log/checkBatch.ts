import { assert } from "../base/assert.ts";
import type { LogRecord } from "./log.ts";
import { recordBytesMax } from "./local/format.ts";

/** The rules of `Log.append`, the same for every implementation; throws before anything is appended. */
export function checkBatch(records: readonly LogRecord[], lastTs: bigint): void {
  let previous = lastTs;
  for (const { ts, payload } of records) {
    assert(ts > previous, "commitTs must increase");
    // UTF-8 has no place for a lone surrogate: it would come back as another character.
    assert(payload.isWellFormed(), "a log payload is a well-formed string");
    // A UTF-16 code unit takes at most three bytes.
    if (payload.length * 3 > recordBytesMax) {
      assert(Buffer.byteLength(payload) <= recordBytesMax, "a log payload has at most recordBytesMax bytes");
    }
    previous = ts;
  }
}
