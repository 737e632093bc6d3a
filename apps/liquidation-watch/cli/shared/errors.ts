/** What a user did or their surroundings lack: shown as one sentence, without a stack trace. */
export class UserError extends Error {
  /** Of the process. 2: wrong use, 1: it did not work. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = "UserError";
    this.exitCode = exitCode;
  }
}

/** What to print of anything thrown: ConvexErrors say what is wrong in their data, defects show where they are. */
export function describeError(error: unknown): string {
  if (error instanceof UserError) return error.message;
  const data = (error as { data?: unknown } | null)?.data;
  if (typeof data === "object" && data !== null && "message" in data) return String(data.message);
  if (!(error instanceof Error)) return String(error);
  // The one error of the client service whose text says it all.
  if (error.message.startsWith("CONVEX_URL not set")) return error.message;
  return error.stack ?? error.message;
}
