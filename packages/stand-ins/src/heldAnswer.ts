/**
 * An answer that goes on when a test lets it, whatever the machine's pace. Whoever asks gets it from its beginning, so it
 * can be asked for any number of times.
 */
export class HeldAnswer {
  readonly #pieces: string[] = [];
  #isWhole = false;
  #waiting: (() => void)[] = [];

  say(piece: string): void {
    this.#pieces.push(piece);
    this.#wake();
  }

  /** There is no more to come. */
  end(): void {
    this.#isWhole = true;
    this.#wake();
  }

  async *pieces(): AsyncGenerator<string> {
    for (let next = 0; ; next++) {
      while (next >= this.#pieces.length) {
        if (this.#isWhole) return;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      yield this.#pieces[next] ?? "";
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
