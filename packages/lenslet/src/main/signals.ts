import { LensletError } from "../base/errors.ts";

/** Runs `close` once on Ctrl-C or SIGTERM; a second signal ends the process at once, after `abandon`. */
export function endOnSignals(close: () => Promise<void>, abandon: () => void = () => {}): void {
  let closing = false;
  const onSignal = () => {
    if (closing) {
      abandon();
      process.exit(130);
    }
    closing = true;
    close().then(
      () => process.exit(0),
      (error: unknown) => failWith(error),
    );
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

/** Prints what went wrong (the whole stack of a defect) and ends the process with 1. */
export function failWith(error: unknown): never {
  const message = error instanceof LensletError ? error.message : ((error as Error)?.stack ?? String(error));
  process.stderr.write(`lenslet: ${message}\n`);
  process.exit(1);
}
