import type { LogLine } from "../runner/types.ts";

/** Lines of one top-level execution, nested calls included (limits.md #69). */
export const logLinesMax = 256;
export const logLineBytesMax = 32_768;
const truncationMark = " (truncated due to length)";

/** Collects the console output of one execution in order. */
export interface LogSink {
  readonly lines: LogLine[];
}

export function collectLogLine(sink: LogSink, line: LogLine): void {
  const { lines } = sink;
  if (lines.length < logLinesMax - 1) lines.push(line);
  else if (lines.length === logLinesMax - 1) {
    lines.push({
      level: "ERROR",
      messages: [`Log overflow (maximum ${logLinesMax}). Remaining log lines omitted.`],
      timestampMs: line.timestampMs,
      isTruncated: false,
    });
  }
}

/** The wire form: `[LOG] 'a' 1`. */
export function formatLogLine(line: LogLine): string {
  const text = `[${line.level}] ${line.messages.join(" ")}`;
  if (line.isTruncated) return text + truncationMark;
  if (text.length * 3 <= logLineBytesMax || Buffer.byteLength(text) <= logLineBytesMax) return text;
  const cut = Buffer.from(text)
    .subarray(0, logLineBytesMax)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return cut + truncationMark;
}
