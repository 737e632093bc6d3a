import * as protocol from "../protocol/syncServer.ts";
import type { WireVersion } from "../protocol/syncServer.ts";
import { chunkBytesMax } from "./limits.ts";
import type { SharedResult } from "./results.ts";
import type { QueryChange, Transition } from "./sessionState.ts";

/**
 * What waits to be written to a socket: a string is the text of a message that has still to be framed, a buffer is
 * bytes of the wire (whole frames, or consecutive parts of one).
 */
export type Outgoing = string | Buffer;

/** A WebSocket ping frame without payload. */
export const pingFrame: Buffer = Buffer.from([0x89, 0x00]);

/** One unmasked text frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = headerBytes(length);
  const frame = Buffer.allocUnsafe(header + length);
  writeHeader(frame, 0, length);
  frame.write(text, header);
  return frame;
}

function headerBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/** FIN and opcode "text", then the length as RFC 6455 §5.2 wants it. */
function writeHeader(target: Buffer, offset: number, length: number): void {
  target[offset] = 0x81;
  if (length < 126) {
    target[offset + 1] = length;
  } else if (length < 65_536) {
    target[offset + 1] = 126;
    target.writeUInt16BE(length, offset + 2);
  } else {
    target[offset + 1] = 127;
    target.writeUInt32BE(Math.floor(length / 2 ** 32), offset + 2);
    target.writeUInt32BE(length % 2 ** 32, offset + 6);
  }
}

/** Below this, copying a result costs less than giving the kernel one more piece. */
const spliceBytesMin = 16 * 1024;
/** Different frames of one tick that are kept for the next sessions. */
const recentMax = 8;

export interface Receiver {
  readonly clockSkewMs: number | null;
  readonly supportsChunks: boolean;
}

/**
 * Turns Transitions into bytes. When one query changes for thousands of sessions, those with equal version numbers get
 * the very same buffer; where they differ, a large result is still encoded once and only referred to.
 */
export class TransitionEncoder {
  readonly #recent: { start: WireVersion; end: WireVersion; change: QueryChange; frame: Buffer }[] = [];
  readonly #bodies = new Map<SharedResult, Buffer>();
  #nextRecent = 0;

  /**
   * The whole frame of a Transition that brings one small new result, the same buffer for every session whose versions
   * are equal; null for any other Transition.
   */
  sharedFrame({ start, end, changes }: Transition): Buffer | null {
    const [change] = changes;
    if (changes.length !== 1 || !change?.result || change.result.body.length >= spliceBytesMin) return null;
    if (!isPlainUpdate(start, end)) return null;
    for (const recent of this.#recent) {
      if (
        recent.change.result === change.result &&
        recent.change.queryId === change.queryId &&
        isSameVersion(recent.start, start) &&
        isSameVersion(recent.end, end)
      ) {
        return recent.frame;
      }
    }
    const frame = textFrame(transitionText(start, end, [change], null));
    this.#recent[this.#nextRecent] = { start, end, change, frame };
    this.#nextRecent = (this.#nextRecent + 1) % recentMax;
    return frame;
  }

  /** Appends any other Transition to `out`. `serverTs`: nanoseconds since the epoch, as text. */
  encode(transition: Transition, receiver: Receiver, serverTs: string, out: Outgoing[]): void {
    const { start, end, changes } = transition;
    let bodyLength = 0;
    for (const change of changes) bodyLength += change.result?.body.length ?? 0;
    if (bodyLength >= spliceBytesMin) return this.#splice(transition, receiver, serverTs, out);
    const timing = isPlainUpdate(start, end) ? null : { clientClockSkewMs: receiver.clockSkewMs, serverTs };
    out.push(transitionText(start, end, changes, timing));
  }

  /** Forgets the results of the tick. */
  endTick(): void {
    this.#recent.length = 0;
    this.#nextRecent = 0;
    this.#bodies.clear();
  }

  #splice({ start, end, changes }: Transition, receiver: Receiver, serverTs: string, out: Outgoing[]): void {
    const parts: Buffer[] = [];
    let text = protocol.transitionHead(start, end);
    changes.forEach((change, index) => {
      if (index > 0) text += ",";
      const { result } = change;
      if (!result || result.body.length < spliceBytesMin) {
        text += changeText(change);
        return;
      }
      text += protocol.modificationHead(result.ok, change.queryId);
      parts.push(Buffer.from(text), this.#bodyBytes(result));
      text = result.tail;
    });
    text += protocol.transitionTail({ clientClockSkewMs: receiver.clockSkewMs, serverTs });
    parts.push(Buffer.from(text));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > chunkBytesMax && receiver.supportsChunks) {
      out.push(...chunkTexts(Buffer.concat(parts, length)));
      return;
    }
    const header = Buffer.allocUnsafe(headerBytes(length));
    writeHeader(header, 0, length);
    out.push(header, ...parts);
  }

  #bodyBytes(result: SharedResult): Buffer {
    let bytes = this.#bodies.get(result);
    if (!bytes) {
      bytes = Buffer.from(result.body);
      this.#bodies.set(result, bytes);
    }
    return bytes;
  }
}

/**
 * Then the clocks are left out: clients use them to schedule token refreshes after an identity change, and to diagnose
 * large transitions.
 */
function isPlainUpdate(start: WireVersion, end: WireVersion): boolean {
  return start.querySet === end.querySet && start.identity === end.identity;
}

function isSameVersion(a: WireVersion, b: WireVersion): boolean {
  return a === b || (a.querySet === b.querySet && a.identity === b.identity && a.ts === b.ts);
}

function transitionText(
  start: WireVersion,
  end: WireVersion,
  changes: readonly QueryChange[],
  timing: { clientClockSkewMs: number | null; serverTs: string } | null,
): string {
  let text = protocol.transitionHead(start, end);
  for (let i = 0; i < changes.length; i++) {
    if (i > 0) text += ",";
    text += changeText(changes[i] as QueryChange);
  }
  return text + protocol.transitionTail(timing);
}

function changeText({ queryId, result }: QueryChange): string {
  if (!result) return protocol.queryRemovedText(queryId);
  return protocol.modificationHead(result.ok, queryId) + result.body + result.tail;
}

/** Cuts the UTF-8 bytes of a Transition into TransitionChunk messages, never inside a character. */
export function chunkTexts(transition: Buffer, bytesMax: number = chunkBytesMax): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < transition.length;) {
    let end = Math.min(start + bytesMax, transition.length);
    while (end < transition.length && ((transition[end] ?? 0) & 0xc0) === 0x80) end--;
    pieces.push(transition.toString("utf8", start, end));
    start = end;
  }
  const id = String(transition.length);
  return pieces.map((piece, part) =>
    protocol.transitionChunkText(JSON.stringify(piece), part, pieces.length, id),
  );
}

/** Joins what a tick has for one socket into as few buffers as sensible. */
export function wireBuffers(outgoing: readonly Outgoing[]): Buffer[] {
  const buffers: Buffer[] = [];
  let texts: string[] = [];
  for (const item of outgoing) {
    if (typeof item === "string") {
      texts.push(item);
      continue;
    }
    if (texts.length > 0) buffers.push(framesOf(texts));
    texts = [];
    buffers.push(item);
  }
  if (texts.length > 0) buffers.push(framesOf(texts));
  return buffers;
}

/** One buffer with a frame for each text. */
function framesOf(texts: readonly string[]): Buffer {
  const [only] = texts;
  if (texts.length === 1 && only !== undefined) return textFrame(only);
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const frames = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headerBytes(length) + length, 0));
  let offset = 0;
  texts.forEach((text, index) => {
    const length = lengths[index] ?? 0;
    writeHeader(frames, offset, length);
    offset += headerBytes(length);
    offset += frames.write(text, offset);
  });
  return frames;
}
