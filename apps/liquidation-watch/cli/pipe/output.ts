import { once } from "node:events";

/** Lines to a stream that may be slow (a pipe) or gone (`| head`). */
export class LineOutput {
  readonly #stream: NodeJS.WriteStream;
  #isClosed = false;
  readonly #onClosed: () => void;

  constructor(stream: NodeJS.WriteStream, onClosed: () => void) {
    this.#stream = stream;
    this.#onClosed = onClosed;
    stream.on("error", () => this.#close());
    stream.on("close", () => this.#close());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when the stream takes more: who waits for it never holds more than one page of lines. */
  async write(lines: readonly string[]): Promise<void> {
    if (this.#isClosed || lines.length === 0) return;
    if (this.#stream.write(`${lines.join("\n")}\n`)) return;
    // Both also end when the stream breaks; #close has heard of that.
    const ignore = () => {};
    await Promise.race([
      once(this.#stream, "drain").catch(ignore),
      once(this.#stream, "close").catch(ignore),
    ]);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed();
  }
}
