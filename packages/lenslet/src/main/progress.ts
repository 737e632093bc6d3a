import { LensletError } from "../base/errors.ts";

const redrawMs = 200;

/**
 * What a long command is at, on stderr: one line that changes in a terminal, one line for each step elsewhere. The first
 * Ctrl-C ends the command at its next step or piece, so that it can clean up; a second one ends the process.
 */
export class Progress {
  #step = "";
  #bytes = 0;
  #drawnMs = 0;
  #interrupted = false;
  readonly #onSignal = () => {
    if (this.#interrupted) process.exit(130);
    this.#interrupted = true;
  };

  constructor() {
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  readonly step = (step: string): void => {
    this.#throwIfInterrupted();
    this.#clear();
    this.#step = step;
    this.#bytes = 0;
    if (process.stderr.isTTY) this.#draw();
    else process.stderr.write(`lenslet: ${step}\n`);
  };

  readonly copied = (bytes: number): void => {
    this.#throwIfInterrupted();
    this.#bytes += bytes;
    if (process.stderr.isTTY && performance.now() - this.#drawnMs >= redrawMs) this.#draw();
  };

  end(): void {
    this.#clear();
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
  }

  #draw(): void {
    this.#drawnMs = performance.now();
    process.stderr.write(`\r\u001B[K${this.#step} ${this.#bytes > 0 ? sizeText(this.#bytes) : ""}`);
  }

  #clear(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
  }

  #throwIfInterrupted(): void {
    if (!this.#interrupted) return;
    throw new LensletError("BadRequest", "Interrupted", "Interrupted. Nothing was left behind.");
  }
}

export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  let [size, unit] = [bytes, 0];
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}
