import { crc32 } from "node:zlib";

/**
 * Bytes of a segment file (`log-<first ts>.seg`), all numbers little-endian.
 *
 * Segment header, 64 bytes. Its layout up to and including the CRC and version never changes, so that an old
 * program can tell "newer" from "damaged":
 *   0 magic (8) · 8 crc32 of bytes 12..64 (u32) · 12 format version (u32) · 16 ts of the first record (i64)
 *   24 ts of the record before it, 0 if none was ever written (i64)
 *   32 size (u32) and 40 first ts (i64) of the segment before it, 0 if there was none · zeros
 *
 * Frame, 24 bytes and the payload:
 *   0 magic (u32) · 4 crc32 of bytes 8..end, seeded with the magic (u32) · 8 payload bytes (u32)
 *   12 group start (u32) · 16 ts (i64) · 24 payload, UTF-8
 *
 * "Group start" is the offset at which the group commit began that wrote this frame. A group is written only after
 * everything before it was fdatasynced, so a valid frame with group start G proves that all bytes below G had been
 * durable. Recovery uses that to tell a torn tail (never acknowledged) from damage (acknowledged and lost).
 */
export const formatVersion = 1;
export const segmentHeaderBytes = 64;
export const frameHeaderBytes = 24;
/** Payload of one record. */
export const recordBytesMax = 256 * 1024 * 1024;

const segmentMagic = Buffer.from("LENSLOG\xff", "latin1");
/** Both magics contain the byte 0xff, which UTF-8 never does: no payload can look like a frame. */
const recordMagic = 0xff_72_4c_ff;
/** Written on a clean close: it has no payload and proves that everything before it was durable. */
const sealMagic = 0xff_73_4c_ff;
const magicBytes = 4;

export interface SegmentHeader {
  readonly version: number;
  readonly firstTs: bigint;
  readonly afterTs: bigint;
  readonly previousBytes: number;
  readonly previousFirstTs: bigint;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  segmentMagic.copy(bytes);
  bytes.writeUInt32LE(header.version, 12);
  bytes.writeBigInt64LE(header.firstTs, 16);
  bytes.writeBigInt64LE(header.afterTs, 24);
  bytes.writeUInt32LE(header.previousBytes, 32);
  bytes.writeBigInt64LE(header.previousFirstTs, 40);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  return bytes;
}

/** Null when the bytes are not an undamaged segment header. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | null {
  if (bytes.length < segmentHeaderBytes) return null;
  if (!bytes.subarray(0, segmentMagic.length).equals(segmentMagic)) return null;
  if (bytes.readUInt32LE(8) !== crc32(bytes.subarray(12, segmentHeaderBytes))) return null;
  return {
    version: bytes.readUInt32LE(12),
    firstTs: bytes.readBigInt64LE(16),
    afterTs: bytes.readBigInt64LE(24),
    previousBytes: bytes.readUInt32LE(32),
    previousFirstTs: bytes.readBigInt64LE(40),
  };
}

export interface Frame {
  readonly kind: "record" | "seal";
  readonly ts: bigint;
  readonly groupStart: number;
  /** Offsets in the buffer the frame was decoded from. */
  readonly payloadStart: number;
  readonly end: number;
}

/** `incomplete`: the buffer ends before the frame does, which needs `needsBytes` from its start. */
export type DecodedFrame =
  Frame | { readonly kind: "incomplete"; readonly needsBytes: number } | { readonly kind: "invalid" };

const invalid = { kind: "invalid" } as const;

export function decodeFrame(bytes: Buffer, at: number): DecodedFrame {
  if (bytes.length - at < frameHeaderBytes) return { kind: "incomplete", needsBytes: frameHeaderBytes };
  const magic = bytes.readUInt32LE(at);
  if (magic !== recordMagic && magic !== sealMagic) return invalid;
  const payloadBytes = bytes.readUInt32LE(at + 8);
  if (payloadBytes > recordBytesMax) return invalid;
  const end = at + frameHeaderBytes + payloadBytes;
  if (end > bytes.length) return { kind: "incomplete", needsBytes: end - at };
  if (bytes.readUInt32LE(at + 4) !== crc32(bytes.subarray(at + 8, end), magic)) return invalid;
  return {
    kind: magic === recordMagic ? "record" : "seal",
    ts: bytes.readBigInt64LE(at + 16),
    groupStart: bytes.readUInt32LE(at + 12),
    payloadStart: at + frameHeaderBytes,
    end,
  };
}

/** Looks for the first undamaged frame at or after `from` that `accept` likes, at any byte offset. */
export function findFrame(bytes: Buffer, from: number, accept: (frame: Frame) => boolean): Frame | null {
  for (let at = bytes.indexOf(0xff, from); at !== -1; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes.length - at < magicBytes) return null;
    const frame = decodeFrame(bytes, at);
    if ((frame.kind === "record" || frame.kind === "seal") && accept(frame)) return frame;
  }
  return null;
}

/** Collects the frames of one group in a buffer that is used again for the next group. */
export class GroupEncoder {
  private bytes: Buffer;
  private length = 0;
  private groupStart = 0;
  private readonly keptBytesMax: number;

  constructor(keptBytesMax: number) {
    this.keptBytesMax = keptBytesMax;
    this.bytes = Buffer.allocUnsafeSlow(64 * 1024);
  }

  begin(groupStart: number): void {
    this.groupStart = groupStart;
    this.length = 0;
    if (this.bytes.length > this.keptBytesMax) this.bytes = Buffer.allocUnsafeSlow(64 * 1024);
  }

  addRecord(ts: bigint, payload: string): void {
    const start = this.length;
    // A UTF-16 code unit takes at most three bytes of UTF-8.
    this.reserve(frameHeaderBytes + payload.length * 3);
    const payloadBytes = this.bytes.write(payload, start + frameHeaderBytes, "utf8");
    this.finishFrame(recordMagic, start, payloadBytes, ts);
  }

  addSeal(ts: bigint): void {
    this.reserve(frameHeaderBytes);
    this.finishFrame(sealMagic, this.length, 0, ts);
  }

  /** Valid until the next `begin`. */
  encoded(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  private finishFrame(magic: number, start: number, payloadBytes: number, ts: bigint): void {
    const { bytes } = this;
    const end = start + frameHeaderBytes + payloadBytes;
    bytes.writeUInt32LE(magic, start);
    bytes.writeUInt32LE(payloadBytes, start + 8);
    bytes.writeUInt32LE(this.groupStart, start + 12);
    bytes.writeBigInt64LE(ts, start + 16);
    bytes.writeUInt32LE(crc32(bytes.subarray(start + 8, end), magic), start + 4);
    this.length = end;
  }

  private reserve(moreBytes: number): void {
    const needed = this.length + moreBytes;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

const segmentNamePattern = /^log-(\d{20})\.seg$/;

export function segmentName(firstTs: bigint): string {
  return `log-${firstTs.toString().padStart(20, "0")}.seg`;
}

/** Null for names that are not a segment's. */
export function parseSegmentName(name: string): bigint | null {
  const digits = segmentNamePattern.exec(name)?.[1];
  return digits === undefined ? null : BigInt(digits);
}
