import { logLineBytesMax, logLinesMax } from "./limits.ts";
import type { LogLevel, LogLine } from "./types.ts";

/** Longest prefix of at most `bytesMax` UTF-8 bytes that does not split a character. */
export function cutUtf8(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** A console call as a log line, cut to the line limit (limits.md #70). */
export function makeLogLine(level: LogLevel, messages: readonly string[], timestampMs: number): LogLine {
  let left = logLineBytesMax;
  const kept: string[] = [];
  for (const [index, message] of messages.entries()) {
    if (index > 0) left -= 1;
    if (left < 0) return { level, messages: kept, timestampMs, isTruncated: true };
    const cut = cutUtf8(message, left);
    kept.push(cut);
    if (cut.length < message.length) return { level, messages: kept, timestampMs, isTruncated: true };
    left -= Buffer.byteLength(cut, "utf8");
  }
  return { level, messages: kept, timestampMs, isTruncated: false };
}

/** The wire form: `[LOG] 'a' 1`. */
export function formatLogLine(line: LogLine): string {
  const text = `[${line.level}] ${line.messages.join(" ")}`;
  return line.isTruncated ? `${text} (truncated due to length)` : text;
}

/** Collects the lines of one execution; nested calls share their caller's buffer, so the count limit is common. */
export class LogBuffer {
  readonly lines: LogLine[] = [];

  log(line: LogLine): void {
    if (this.lines.length < logLinesMax - 1) {
      this.lines.push(line);
    } else if (this.lines.length === logLinesMax - 1) {
      const text = `Log overflow (maximum ${logLinesMax}). Remaining log lines omitted.`;
      this.lines.push({
        level: "ERROR",
        messages: [text],
        timestampMs: line.timestampMs,
        isTruncated: false,
      });
    }
  }
}
