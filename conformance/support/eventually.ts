/** What is there to see, if anything. */
export type Look<T> = () => T | undefined | null | false | Promise<T | undefined | null | false>;

/** Waits until there is something to see; the result of a background job, say. */
export async function eventually<T>(look: Look<T>, timeoutMs = 60_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen;
    if (performance.now() > deadline)
      throw new Error(`nothing to see within ${timeoutMs} ms: ${String(look)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
