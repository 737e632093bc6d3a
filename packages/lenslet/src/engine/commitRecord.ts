import { assert } from "../base/assert.ts";
import type { CommitTs, LogRecord } from "../log/log.ts";
import type { DocumentWrite, SessionRequest, TabletId } from "../store/store.ts";
import type { MutationResult } from "./api.ts";
import { decodeValue, stringifyValue } from "../values/json.ts";

/**
 * The payload of a log record: a JSON text
 *   {"w":[[tablet,"<id>",<document or null>],...],"s":["<sessionId>",requestId,<result>,<logLines>],"c":["<boot>",callSeq]}
 * Documents are spliced in as the texts they already are. `s` is what answers a mutation that is sent again by a
 * client; `c` what answers a call that the net thread asks again after the engine thread was replaced.
 */
export interface CommitRecord {
  readonly ts: CommitTs;
  readonly writes: readonly RecordedWrite[];
  readonly request: SessionRequest | null;
  readonly call: RecordedCall | null;
}

export interface RecordedWrite {
  readonly tablet: TabletId;
  readonly idText: string;
  /** Canonical document text, null for a deletion. */
  readonly json: string | null;
}

export interface RecordedCall {
  /** Names the run of the server process: call numbers of an earlier run mean nothing. */
  readonly boot: string;
  readonly callSeq: number;
  readonly resultJson: string;
  readonly logLinesJson: string;
}

export function encodeCommitRecord(
  ts: CommitTs,
  writes: readonly DocumentWrite[],
  request: SessionRequest | null,
  call: RecordedCall | null,
): LogRecord {
  let payload = '{"w":[';
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i] as DocumentWrite;
    payload += `${i === 0 ? "" : ","}[${write.tablet},"${write.idText}",${write.after === null ? "null" : write.after.json}]`;
  }
  payload += "]";
  if (request !== null) payload += `,"s":[${JSON.stringify(request.sessionId)},${request.requestId}]`;
  if (call !== null) payload += `,"c":["${call.boot}",${call.callSeq}]`;
  const answer = call ?? request;
  if (answer !== null) payload += `,"r":${answer.resultJson},"l":${answer.logLinesJson}`;
  return { ts, payload: `${payload}}` };
}

interface Payload {
  w: [number, string, unknown][];
  s?: [string, number];
  c?: [string, number];
  r?: unknown;
  l?: unknown;
}

export function decodeCommitRecord(record: LogRecord): CommitRecord {
  const payload = JSON.parse(record.payload) as Payload;
  assert(Array.isArray(payload.w), "a commit record holds a list of writes");
  const resultJson = payload.r === undefined ? "null" : JSON.stringify(payload.r);
  const logLinesJson = payload.l === undefined ? "[]" : JSON.stringify(payload.l);
  return {
    ts: record.ts,
    writes: payload.w.map(([tablet, idText, document]) => ({
      tablet: tablet as TabletId,
      idText,
      // Through our own encoder: JSON.parse moves integer-like keys to the front, canonical order does not.
      json: document === null ? null : stringifyValue(decodeValue(JSON.stringify(document))),
    })),
    request:
      payload.s === undefined
        ? null
        : { sessionId: payload.s[0], requestId: payload.s[1], ts: record.ts, resultJson, logLinesJson },
    call:
      payload.c === undefined
        ? null
        : { boot: payload.c[0], callSeq: payload.c[1], resultJson, logLinesJson },
  };
}

/** The answer of a mutation as it was given when it was committed. */
export function recordedAnswer(resultJson: string, logLinesJson: string, ts: CommitTs): MutationResult {
  return { ok: true, valueJson: resultJson, logLines: JSON.parse(logLinesJson) as string[], ts };
}
