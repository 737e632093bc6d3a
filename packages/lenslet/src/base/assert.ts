/** Thrown when an invariant of our own code is broken. It is never shown to a client in full. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Always on, also in production. `reason` states the rule that must hold, e.g. "commitTs must increase". */
export function assert(condition: unknown, reason: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${reason}`);
}

/** The default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected variant: ${JSON.stringify(value)}`);
}
