/**
 * Server → client messages of the sync protocol (reference sync-protocol.md §4), as JSON texts. Convex values arrive as
 * JSON text and are spliced in: nothing here parses or re-serializes one.
 */

export const pingText = '{"type":"Ping"}';

/** The result of a function as clients see it: the error already has its "[Request ID: …]" line, or is redacted. */
export type WireResult =
  | { readonly ok: true; readonly valueJson: string; readonly logLines: readonly string[] }
  | {
      readonly ok: false;
      readonly errorMessage: string;
      /** Present only for a ConvexError. */
      readonly dataJson?: string | undefined;
      readonly logLines: readonly string[];
    };

/** `ts`: the commit timestamp in base64 (`encodeU64`); ignored for a failure. */
export function mutationResponseText(requestId: number, result: WireResult, ts: string): string {
  const head = `{"type":"MutationResponse","requestId":${requestId},`;
  const tsJson = result.ok ? `"${ts}"` : "null";
  return `${head}${responseFields(result)},"ts":${tsJson}}`;
}

export function actionResponseText(requestId: number, result: WireResult): string {
  return `{"type":"ActionResponse","requestId":${requestId},${responseFields(result)}}`;
}

function responseFields(result: WireResult): string {
  const logLines = JSON.stringify(result.logLines);
  if (result.ok) return `"success":true,"result":${result.valueJson},"logLines":${logLines}`;
  const data = result.dataJson === undefined ? "" : `,"errorData":${result.dataJson}`;
  return `"success":false,"result":${JSON.stringify(result.errorMessage)},"logLines":${logLines}${data}`;
}

export function authErrorText(error: string, baseVersion: number, authUpdateAttempted: boolean): string {
  return JSON.stringify({ type: "AuthError", error, baseVersion, authUpdateAttempted });
}

export function fatalErrorText(error: string): string {
  return JSON.stringify({ type: "FatalError", error });
}

/**
 * What all subscribers of a query get: everything of a modification that follows its queryId, up to and including the
 * log lines. `modificationText` puts the per-subscriber part around it.
 */
export function modificationBody(result: WireResult): string {
  const logLines = JSON.stringify(result.logLines);
  if (result.ok) return `,"value":${result.valueJson},"logLines":${logLines}`;
  const data = result.dataJson === undefined ? "" : `,"errorData":${result.dataJson}`;
  return `,"errorMessage":${JSON.stringify(result.errorMessage)},"logLines":${logLines}${data}`;
}

/** The part before the body: `{"type":"QueryUpdated","queryId":3`. */
export function modificationHead(ok: boolean, queryId: number): string {
  return ok ? `{"type":"QueryUpdated","queryId":${queryId}` : `{"type":"QueryFailed","queryId":${queryId}`;
}

/** The part after the body. */
export function modificationTail(journal: string | null): string {
  return journal === null ? ',"journal":null}' : `,"journal":${JSON.stringify(journal)}}`;
}

export function queryRemovedText(queryId: number): string {
  return `{"type":"QueryRemoved","queryId":${queryId}}`;
}

export interface WireVersion {
  readonly querySet: number;
  readonly identity: number;
  /** `encodeU64` of the timestamp. */
  readonly ts: string;
}

/** Up to the first modification. */
export function transitionHead(start: WireVersion, end: WireVersion): string {
  return (
    `{"type":"Transition","startVersion":{"querySet":${start.querySet},"identity":${start.identity},"ts":"${start.ts}"},` +
    `"endVersion":{"querySet":${end.querySet},"identity":${end.identity},"ts":"${end.ts}"},"modifications":[`
  );
}

/**
 * After the last modification. `clientClockSkewMs`: client clock minus server clock; `serverTs`: nanoseconds since the
 * epoch as a decimal text. Both are optional on the wire.
 */
export function transitionTail(
  timing: { clientClockSkewMs: number | null; serverTs: string } | null,
): string {
  if (timing === null) return "]}";
  return `],"clientClockSkew":${timing.clientClockSkewMs},"serverTs":${timing.serverTs}}`;
}

/** `chunkJson` is the piece as a JSON string literal. */
export function transitionChunkText(
  chunkJson: string,
  partNumber: number,
  totalParts: number,
  transitionId: string,
): string {
  return `{"type":"TransitionChunk","chunk":${chunkJson},"partNumber":${partNumber},"totalParts":${totalParts},"transitionId":"${transitionId}"}`;
}
