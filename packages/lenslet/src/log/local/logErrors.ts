import { LensletError } from "../../base/errors.ts";
import { formatVersion } from "./format.ts";

export function logCorrupt(file: string, offset: number, finding: string): LensletError {
  return new LensletError(
    "Internal",
    "LogCorrupt",
    `The log is damaged: ${file} at byte ${offset}: ${finding}. Nothing was changed. Copy the folder away, ` +
      `check the disk, and restore the newest backup (or put back the original of this file).`,
  );
}

export function dataFormatTooNew(file: string, version: number): LensletError {
  return new LensletError(
    "Internal",
    "DataFormatTooNew",
    `${file} has log format ${version}, but this version of Lenslet reads formats up to ${formatVersion}. ` +
      `Nothing was changed. Start the newer version of Lenslet that wrote it, or restore a backup made before the upgrade.`,
  );
}

export function logTrimmed(after: bigint, trimmedTs: bigint): LensletError {
  return new LensletError(
    "OutOfRetention",
    "LogTrimmed",
    `The log was read after ${after}, but records up to ${trimmedTs} have been trimmed. Start from a snapshot taken at or after that.`,
  );
}

export function logFailed(cause: string): LensletError {
  return new LensletError(
    "Internal",
    "LogFailed",
    `The log can no longer be written (${cause}). Free disk space or repair the disk, then restart; every acknowledged commit is kept.`,
  );
}

export function logFenced(): LensletError {
  return new LensletError(
    "Internal",
    "LogFenced",
    "Another client has appended to the log since this one last read it. Nothing of this batch was written; restart this engine so that it reads the log again.",
  );
}

export function logClosed(): LensletError {
  return new LensletError("Internal", "LogClosed", "The log has been closed.");
}

export function logWaitTimeout(ts: bigint, timeoutMs: number): LensletError {
  return new LensletError(
    "Overloaded",
    "LogWaitTimeout",
    `The log was not durable up to ${ts} within ${timeoutMs} ms. Check the load and the health of the disk.`,
  );
}

export function logStalled(timeoutMs: number): LensletError {
  return new LensletError(
    "Overloaded",
    "LogStalled",
    `The log has not written its backlog for ${timeoutMs} ms. Check the health of the disk, then restart.`,
  );
}

/** An error on its way between threads; structured clone would drop the code. */
export interface PlainError {
  readonly category: LensletError["category"];
  readonly code: string;
  readonly message: string;
}

export function toPlainError(error: unknown): PlainError {
  if (error instanceof LensletError) {
    return { category: error.category, code: error.code, message: error.message };
  }
  const { category, code, message } = logFailed(error instanceof Error ? error.message : String(error));
  return { category, code, message };
}

export function fromPlainError(error: PlainError): LensletError {
  return new LensletError(error.category, error.code, error.message);
}
