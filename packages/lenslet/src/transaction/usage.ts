import { LensletError, badRequest, internalErrorMessage } from "../base/errors.ts";
import type { StoredDocument } from "../store/store.ts";
import { formatExactSize } from "../values/size.ts";

/** Limits of one top-level call with everything nested in it (limits.md #28-#34). All are inclusive. */
export interface TransactionLimits {
  readonly documentsRead: number;
  readonly bytesRead: number;
  /** Disjoint index intervals in the read set. */
  readonly databaseQueries: number;
  readonly documentsWritten: number;
  readonly bytesWritten: number;
  readonly functionsScheduled: number;
  readonly scheduledFunctionArgsBytes: number;
  /** Of `storage.store` and `storage.get` in mutations. The platform's limits are not known; these are ours. */
  readonly filesWritten: number;
  readonly fileWriteBytes: number;
  readonly filesRead: number;
  readonly fileReadBytes: number;
}

export const defaultTransactionLimits: TransactionLimits = {
  documentsRead: 32_000,
  bytesRead: 16_777_216,
  databaseQueries: 4_096,
  documentsWritten: 16_000,
  bytesWritten: 16_777_216,
  functionsScheduled: 1_000,
  scheduledFunctionArgsBytes: 16_777_216,
  filesWritten: 1_000,
  fileWriteBytes: 67_108_864,
  filesRead: 1_000,
  fileReadBytes: 67_108_864,
};

/** System tables are counted apart (limits.md #38). */
const systemDocumentsWrittenMax = 40_000;
const systemBytesWrittenMax = 128 * 1024 * 1024;

/** Share of a limit above which a warning is logged (limits.md #37). */
export const warningShare = 0.8;
const databaseQueriesWarningShare = 0.75;

/** Arguments of one scheduled function (limits.md #35); more only gives a warning. */
const singleScheduledArgsBytesMax = 4_194_304;

const help =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions.";

export type TransactionMetrics = Readonly<
  Record<keyof TransactionLimits, { readonly used: number; readonly remaining: number }>
>;

/** A line for the function's log; `code` is the limit's error code. */
export interface UsageWarning {
  readonly code: string;
  readonly message: string;
}

/** Text of a warning in the log (database.md §5.3). */
export function warningText(message: string, actual: number, limit: number, unit = "", suffix = ""): string {
  return `${message} (actual: ${actual}${unit}, limit: ${limit}${unit}).${suffix === "" ? "" : ` ${suffix}`}`;
}

/** The write counters, which a rolled back savepoint sets back. */
export interface WriteCounters {
  readonly documentsWritten: number;
  readonly bytesWritten: number;
  readonly systemDocumentsWritten: number;
  readonly systemBytesWritten: number;
  readonly filesWritten: number;
  readonly fileWriteBytes: number;
}

/**
 * A document's size in bytes is at most this many times the length of its JSON text in UTF-16 units: a number of
 * one digit with its comma counts 9 bytes, a character up to 3.
 */
const sizePerJsonLengthMax = 5;

/**
 * Counters of one top-level call, shared by every nested one. Measuring a document means decoding it; so the sizes of
 * documents read are summed only when an upper bound of the sum comes near the limit, or when somebody asks.
 */
export class TransactionUsage {
  documentsRead = 0;
  databaseQueries = 0;
  documentsWritten = 0;
  bytesWritten = 0;
  functionsScheduled = 0;
  scheduledFunctionArgsBytes = 0;
  filesWritten = 0;
  fileWriteBytes = 0;
  filesRead = 0;
  fileReadBytes = 0;
  systemDocumentsWritten = 0;
  systemBytesWritten = 0;

  readonly #globalLimits: TransactionLimits;
  #limits: TransactionLimits;
  #measuredBytesRead = 0;
  #unmeasured: StoredDocument[] = [];
  #unmeasuredJsonLength = 0;
  #scheduleWarnings: UsageWarning[] = [];
  #readsAreFree = false;

  constructor(limits: Partial<TransactionLimits> | null = null) {
    this.#globalLimits =
      limits === null ? defaultTransactionLimits : { ...defaultTransactionLimits, ...limits };
    this.#limits = this.#globalLimits;
  }

  /** The limits in force, narrowed ones included. */
  get limits(): TransactionLimits {
    return this.#limits;
  }

  /** Exact; decodes what has not been measured yet. */
  get bytesRead(): number {
    for (const document of this.#unmeasured) this.#measuredBytesRead += document.size;
    this.#unmeasured = [];
    this.#unmeasuredJsonLength = 0;
    return this.#measuredBytesRead;
  }

  /** Reads that the server itself makes within a function's transaction are none of the function's. */
  withoutCountingReads<T>(read: () => T): T {
    this.#readsAreFree = true;
    try {
      return read();
    } finally {
      this.#readsAreFree = false;
    }
  }

  /** Counts a document that a read of a user table returned. Throws TooManyDocumentsRead, TooManyBytesRead. */
  countRead(document: StoredDocument): void {
    if (this.#readsAreFree) return;
    this.documentsRead += 1;
    this.#unmeasured.push(document);
    this.#unmeasuredJsonLength += document.json.length;
    const { documentsRead, bytesRead } = this.#limits;
    if (this.documentsRead > documentsRead) {
      throw readLimit(
        "TooManyDocumentsRead",
        `Too many documents read in a single function execution (limit: ${documentsRead}). ${help}`,
      );
    }
    if (this.#bytesReadMax() > bytesRead && this.bytesRead > bytesRead) {
      throw readLimit(
        "TooManyBytesRead",
        `Too many bytes read in a single function execution (limit: ${bytesRead} bytes). ${help}`,
      );
    }
  }

  /** Counts a change in the number of disjoint intervals read from user tables. Throws TooManyReads. */
  countIntervals(delta: number): void {
    if (this.#readsAreFree) return;
    this.databaseQueries += delta;
    const limit = this.#limits.databaseQueries;
    if (delta > 0 && this.databaseQueries > limit) {
      throw readLimit(
        "TooManyReads",
        `Too many reads in a single function execution (limit: ${limit}). ${help}`,
      );
    }
  }

  /** Counts a write to a user table; `bytes` is the size of the new version, 0 for a delete. */
  countWrite(bytes: number): void {
    const { documentsWritten, bytesWritten } = this.#limits;
    if (this.documentsWritten + 1 > documentsWritten) {
      throw badRequest(
        "TooManyWrites",
        `Too many writes in a single function execution (limit: ${documentsWritten})`,
      );
    }
    if (this.bytesWritten + bytes > bytesWritten) {
      const limit = formatExactSize(bytesWritten);
      throw badRequest(
        "TooManyBytesWritten",
        `Too many bytes written in a single function execution (limit: ${limit})`,
      );
    }
    this.documentsWritten += 1;
    this.bytesWritten += bytes;
  }

  /** Counts a write to a system table; too many are a fault of the server's, not of the function's. */
  countSystemWrite(bytes: number): void {
    this.systemDocumentsWritten += 1;
    this.systemBytesWritten += bytes;
    if (
      this.systemDocumentsWritten > systemDocumentsWrittenMax ||
      this.systemBytesWritten > systemBytesWrittenMax
    ) {
      throw new LensletError("Internal", "TooManySystemWrites", internalErrorMessage);
    }
  }

  /** Counts a function scheduled by the mutation, with the size of its arguments. */
  countScheduled(argsBytes: number): void {
    const { functionsScheduled, scheduledFunctionArgsBytes } = this.#limits;
    this.functionsScheduled += 1;
    this.scheduledFunctionArgsBytes += argsBytes;
    if (this.functionsScheduled > functionsScheduled) {
      throw badRequest(
        "TooManyFunctionsScheduled",
        `Too many functions scheduled by this mutation (limit: ${functionsScheduled})`,
      );
    }
    if (this.scheduledFunctionArgsBytes > scheduledFunctionArgsBytes) {
      throw badRequest(
        "ScheduledFunctionsArgumentsTooLarge",
        `Too large total size of the arguments of scheduled functions from this mutation (limit: ${scheduledFunctionArgsBytes} bytes)`,
      );
    }
    if (argsBytes > warningShare * singleScheduledArgsBytesMax) {
      const base = "Large arguments for a single scheduled function from this mutation";
      const message =
        argsBytes > singleScheduledArgsBytesMax
          ? `${base}. This will become a hard error in the future`
          : base;
      this.#scheduleWarnings.push({
        code: "ScheduledFunctionArgumentsTooLarge",
        message: warningText(message, argsBytes, singleScheduledArgsBytesMax, " bytes"),
      });
    }
  }

  /** Counts a file that the mutation stored. Throws TooManyFilesWritten, TooManyFileBytesWritten. */
  countFileWrite(bytes: number): void {
    this.filesWritten += 1;
    this.fileWriteBytes += bytes;
    this.#checkFiles("filesWritten", "TooManyFilesWritten", "files written");
    this.#checkFiles("fileWriteBytes", "TooManyFileBytesWritten", "bytes written to files");
  }

  /** Counts a file whose contents the mutation read. Throws TooManyFilesRead, TooManyFileBytesRead. */
  countFileRead(bytes: number): void {
    this.filesRead += 1;
    this.fileReadBytes += bytes;
    this.#checkFiles("filesRead", "TooManyFilesRead", "files read");
    this.#checkFiles("fileReadBytes", "TooManyFileBytesRead", "bytes read from files");
  }

  #checkFiles(name: FileLimit, code: string, what: string): void {
    const limit = this.#limits[name];
    if (this[name] <= limit) return;
    throw badRequest(code, `Too many ${what} in a single function execution (limit: ${limit})`);
  }

  writeCounters(): WriteCounters {
    const { documentsWritten, bytesWritten, systemDocumentsWritten, systemBytesWritten } = this;
    const { filesWritten, fileWriteBytes } = this;
    return {
      documentsWritten,
      bytesWritten,
      systemDocumentsWritten,
      systemBytesWritten,
      filesWritten,
      fileWriteBytes,
    };
  }

  restoreWriteCounters(counters: WriteCounters): void {
    Object.assign(this, counters);
  }

  /**
   * Puts budgets on top of the current usage, capped by the limits in force (database.md §5.2). Fields that are not
   * limits are ignored. Returns the function that restores the limits.
   */
  narrow(budgets: Readonly<Record<string, number>>): () => void {
    const outer = this.#limits;
    const narrowed: Record<keyof TransactionLimits, number> = { ...outer };
    for (const name of limitNames) {
      const budget = Object.hasOwn(budgets, name) ? budgets[name] : undefined;
      if (budget !== undefined) narrowed[name] = Math.min(outer[name], this[name] + budget);
    }
    this.#limits = narrowed;
    return () => {
      this.#limits = outer;
    };
  }

  /** `remaining` may be negative. */
  metrics(): TransactionMetrics {
    const metric = (name: keyof TransactionLimits) => ({
      used: this[name],
      remaining: this.#limits[name] - this[name],
    });
    return {
      bytesRead: metric("bytesRead"),
      bytesWritten: metric("bytesWritten"),
      databaseQueries: metric("databaseQueries"),
      documentsRead: metric("documentsRead"),
      documentsWritten: metric("documentsWritten"),
      functionsScheduled: metric("functionsScheduled"),
      scheduledFunctionArgsBytes: metric("scheduledFunctionArgsBytes"),
      filesWritten: metric("filesWritten"),
      fileWriteBytes: metric("fileWriteBytes"),
      filesRead: metric("filesRead"),
      fileReadBytes: metric("fileReadBytes"),
    };
  }

  /** Warnings for what came near its limit, to be logged when the call ends. */
  warnings(): UsageWarning[] {
    const found: UsageWarning[] = [];
    for (const { name, code, message, unit, suffix, share } of warningRules) {
      const limit = this.#globalLimits[name];
      const threshold = limit * (share ?? warningShare);
      if (name === "bytesRead" && this.#bytesReadMax() <= threshold) continue;
      if (this[name] > threshold) {
        found.push({ code, message: warningText(message, this[name], limit, unit, suffix) });
      }
    }
    return [...found, ...this.#scheduleWarnings];
  }

  /** An upper bound of `bytesRead` that costs nothing. */
  #bytesReadMax(): number {
    return this.#measuredBytesRead + sizePerJsonLengthMax * this.#unmeasuredJsonLength;
  }
}

type FileLimit = "filesWritten" | "fileWriteBytes" | "filesRead" | "fileReadBytes";

const readLimitCodes: ReadonlySet<string> = new Set([
  "TooManyDocumentsRead",
  "TooManyBytesRead",
  "TooManyReads",
]);

/** True for the errors that pagination answers with a shorter page. */
export function isReadLimitError(error: unknown): boolean {
  return error instanceof LensletError && readLimitCodes.has(error.code);
}

function readLimit(code: string, message: string): LensletError {
  return new LensletError("PaginationLimit", code, message);
}

const limitNames = Object.keys(defaultTransactionLimits) as (keyof TransactionLimits)[];

interface WarningRule {
  readonly name: keyof TransactionLimits;
  readonly code: string;
  readonly message: string;
  readonly unit?: string;
  readonly suffix?: string;
  readonly share?: number;
}

const warningRules: readonly WarningRule[] = [
  {
    name: "documentsRead",
    code: "TooManyDocumentsRead",
    message: "Many documents read in a single function execution",
    suffix: help,
  },
  {
    name: "databaseQueries",
    code: "TooManyReads",
    message: "Many reads in a single function execution",
    suffix: help,
    share: databaseQueriesWarningShare,
  },
  {
    name: "bytesRead",
    code: "TooManyBytesRead",
    message: "Many bytes read in a single function execution",
    unit: " bytes",
    suffix: help,
  },
  { name: "documentsWritten", code: "TooManyWrites", message: "Many writes in a single function execution" },
  {
    name: "bytesWritten",
    code: "TooManyBytesWritten",
    message: "Many bytes written in a single function execution",
    unit: " bytes",
  },
  {
    name: "functionsScheduled",
    code: "TooManyFunctionsScheduled",
    message: "Many functions scheduled by this mutation",
  },
  {
    name: "scheduledFunctionArgsBytes",
    code: "ScheduledFunctionsArgumentsTooLarge",
    message: "Large total size of the arguments of scheduled functions from this mutation",
    unit: " bytes",
  },
];
