import { setTimeout as sleep } from "node:timers/promises";

/** What is there to see, if anything. */
export type Look<T> = () => T | undefined | null | false | Promise<T | undefined | null | false>;

export interface Patience {
  /** Far beyond what any machine needs. */
  readonly timeoutMs?: number;
  readonly pollMs?: number;
  /** What the failure says. */
  readonly message?: string;
}

/** Waits until there is something to see, not for a time; the result of a background job, say. */
export async function eventually<T>(look: Look<T>, patience: Patience = {}): Promise<T> {
  const { timeoutMs = 60_000, pollMs = 50 } = patience;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen;
    if (performance.now() > deadline)
      throw new Error(patience.message ?? `nothing to see within ${timeoutMs} ms: ${String(look)}`);
    await sleep(pollMs);
  }
}

/** Waits for a condition inside the server or a client, which is cheap to look at. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  await eventually(condition, { timeoutMs, pollMs: 5, message: `timed out waiting until ${what}` });
}
