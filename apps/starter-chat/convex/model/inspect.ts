import type { Infer } from "convex/values";
import type { fileMetadata } from "../schema.ts";

type Metadata = Infer<typeof fileMetadata>;

/** What the first bytes of each type of file look like, and what else can be read out of it. */
const kinds: Readonly<Record<string, (bytes: Uint8Array) => Metadata | null>> = {
  "image/png": (bytes) =>
    startsWith(bytes, "\x89PNG\r\n\x1a\n") && bytes.length >= 24
      ? sized(view(bytes).getUint32(16), view(bytes).getUint32(20))
      : null,
  "image/gif": (bytes) =>
    startsWith(bytes, "GIF8") && bytes.length >= 10
      ? sized(view(bytes).getUint16(6, true), view(bytes).getUint16(8, true))
      : null,
  "image/jpeg": (bytes) => (startsWith(bytes, "\xff\xd8\xff") ? jpegSize(bytes) : null),
  "image/webp": (bytes) => (riff(bytes, "WEBP") ? webpSize(bytes) : null),
  "image/avif": (bytes) => (startsWith(bytes, "ftypavi", 4) ? {} : null),
  "application/pdf": (bytes) => (startsWith(bytes, "%PDF-") ? pdfPages(bytes) : null),
  "application/json": text,
  "application/zip": zip,
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": zip,
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": zip,
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": zip,
  "text/plain": text,
  "text/markdown": text,
  "text/csv": text,
  "audio/mpeg": (bytes) =>
    startsWith(bytes, "ID3") || (bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe0) === 0xe0) ? {} : null,
  "audio/ogg": (bytes) => (startsWith(bytes, "OggS") ? {} : null),
  "audio/wav": (bytes) => (riff(bytes, "WAVE") ? wavDuration(bytes) : null),
  "video/mp4": (bytes) => (startsWith(bytes, "ftyp", 4) ? {} : null),
  "video/webm": (bytes) => (startsWith(bytes, "\x1a\x45\xdf\xa3") ? {} : null),
};

/**
 * What a file's content says of itself.
 *
 * @returns null if it is not of that type.
 */
export function inspectFile(bytes: Uint8Array, type: string): Metadata | null {
  return kinds[type]?.(bytes) ?? null;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function startsWith(bytes: Uint8Array, signature: string, at = 0): boolean {
  for (let index = 0; index < signature.length; index++)
    if (bytes[at + index] !== signature.charCodeAt(index)) return false;
  return true;
}

function riff(bytes: Uint8Array, form: string): boolean {
  return startsWith(bytes, "RIFF") && startsWith(bytes, form, 8);
}

function sized(width: number, height: number): Metadata {
  return { dimensions: { width, height } };
}

/** From one segment to the next, until the one that holds the frame's size. */
function jpegSize(bytes: Uint8Array): Metadata {
  const data = view(bytes);
  for (let at = 2; at + 9 < bytes.length;) {
    const marker = data.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return sized(data.getUint16(at + 7), data.getUint16(at + 5));
    at += 2 + data.getUint16(at + 2);
  }
  return {};
}

function webpSize(bytes: Uint8Array): Metadata {
  if (bytes.length < 30) return {};
  const data = view(bytes);
  if (startsWith(bytes, "VP8 ", 12))
    return sized(data.getUint16(26, true) & 0x3fff, data.getUint16(28, true) & 0x3fff);
  if (startsWith(bytes, "VP8L", 12)) {
    const bits = data.getUint32(21, true);
    return sized((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1);
  }
  const size = (at: number) => (data.getUint8(at) | (data.getUint16(at + 1, true) << 8)) + 1;
  return startsWith(bytes, "VP8X", 12) ? sized(size(24), size(27)) : {};
}

/** Pages are objects of the type Page. In a file whose objects are compressed none can be seen. */
function pdfPages(bytes: Uint8Array): Metadata {
  const pages = new TextDecoder("latin1").decode(bytes).match(/\/Type\s*\/Page(?![A-Za-z])/g)?.length ?? 0;
  return pages === 0 ? {} : { pages };
}

/** A text has no NUL. One that is not UTF-8 is of some older encoding. */
function text(bytes: Uint8Array): Metadata | null {
  if (bytes.includes(0)) return null;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { encoding: "utf-8" };
  } catch {
    return { encoding: "unknown" };
  }
}

function zip(bytes: Uint8Array): Metadata | null {
  return startsWith(bytes, "PK") ? {} : null;
}

/** The length of the sound divided by the bytes it has for each second. */
function wavDuration(bytes: Uint8Array): Metadata {
  const data = view(bytes);
  let bytesPerSecond = 0;
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = data.getUint32(at + 4, true);
    if (startsWith(bytes, "fmt ", at) && at + 20 <= bytes.length)
      bytesPerSecond = data.getUint32(at + 16, true);
    if (startsWith(bytes, "data", at))
      return bytesPerSecond === 0 ? {} : { duration: Math.round((length / bytesPerSecond) * 1000) / 1000 };
    at += 8 + length + (length % 2);
  }
  return {};
}
