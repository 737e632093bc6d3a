import { hash } from "node:crypto";
import type { FunctionResult } from "../engine/api.ts";
import { modificationBody, modificationTail, type WireResult } from "../protocol/syncServer.ts";

/** First 16 hex digits of SHA-256 of `{sessionId}|{requestId}`; the dashboard finds a call's logs by it. */
export function requestIdOf(sessionId: string, requestId: number): string {
  return hash("sha256", `${sessionId}|${requestId}`, "hex").slice(0, 16);
}

/** sync-protocol.md §5.7. `redact` also takes the log lines, but never the data of a ConvexError. */
export function toWireResult(result: FunctionResult, requestId: string, redact: boolean): WireResult {
  const logLines = redact ? [] : result.logLines;
  if (result.ok) return { ok: true, valueJson: result.valueJson, logLines };
  const { message, dataJson } = result.error;
  const errorMessage = `[Request ID: ${requestId}] Server Error${redact ? "" : `\n${lines(message)}`}`;
  return { ok: false, errorMessage, dataJson, logLines };
}

function lines(message: string): string {
  return message.endsWith("\n") ? message : `${message}\n`;
}

/**
 * One version of a live query's result, serialized once and shared by everyone who watches it. Two results are the
 * same to clients when `comparable` is: value and log lines, or error text without the request id.
 */
export interface SharedResult {
  readonly ok: boolean;
  /** See `modificationBody`. */
  readonly body: string;
  /** See `modificationTail`. */
  readonly tail: string;
  readonly comparable: string;
}

export function shareResult(
  result: FunctionResult,
  journal: string | null,
  requestId: string,
  redact: boolean,
): SharedResult {
  const body = modificationBody(toWireResult(result, requestId, redact));
  // For a success the two are one string, so that a large value is held once.
  const comparable = result.ok ? body : modificationBody(toWireResult(result, "", redact));
  return { ok: result.ok, body, tail: modificationTail(journal), comparable };
}

export function isSameResult(a: SharedResult, b: SharedResult): boolean {
  return a === b || (a.ok === b.ok && a.comparable === b.comparable);
}
