import type { EngineIn } from "./wire.ts";

type QueuedCall = EngineIn & { readonly type: "call" };

/**
 * The mutations of one session run in the order they were sent, also when one of them waits for contents of files: those
 * behind it wait with it.
 */
export class SessionOrder {
  /** Of each session with a call that waits: which, and what is behind it. */
  readonly #waiting = new Map<string, { readonly seq: number; readonly behind: QueuedCall[] }>();

  /** True: the call is behind one that waits, and comes back from `ended`. */
  holds(call: QueuedCall): boolean {
    if (this.#waiting.size === 0) return false;
    const session = sessionOf(call);
    const waiting = session === null ? undefined : this.#waiting.get(session);
    if (waiting === undefined || waiting.seq === call.seq) return false;
    waiting.behind.push(call);
    return true;
  }

  waits(call: QueuedCall): void {
    const session = sessionOf(call);
    if (session !== null && !this.#waiting.has(session))
      this.#waiting.set(session, { seq: call.seq, behind: [] });
  }

  /** The call has been answered. What was behind it is to run now, before all that came later. */
  ended(call: QueuedCall): readonly QueuedCall[] {
    if (this.#waiting.size === 0) return [];
    const session = sessionOf(call);
    const waiting = session === null ? undefined : this.#waiting.get(session);
    if (session === null || waiting?.seq !== call.seq) return [];
    this.#waiting.delete(session);
    return waiting.behind;
  }
}

function sessionOf({ request }: QueuedCall): string | null {
  return request.type === "mutation" ? (request.call.session?.sessionId ?? null) : null;
}
