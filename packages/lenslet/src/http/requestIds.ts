import { createHash } from "node:crypto";
import type { Random } from "../base/random.ts";

const idBytes = 8;
const poolBytes = 512 * idBytes;
const idPattern = /^[0-9a-f]{16}$/i;

/** Hands out request ids of 16 lower-case hex digits; draws its randomness in large pieces. */
export class RequestIds {
  readonly #random: Random;
  #pool = "";
  #used = 0;
  constructor(random: Random) {
    this.#random = random;
  }

  /** `wanted`, if it is an id, else a new one. */
  next(wanted: string | readonly string[] | undefined): string {
    if (typeof wanted === "string" && idPattern.test(wanted)) return wanted.toLowerCase();
    if (this.#used >= this.#pool.length) {
      this.#pool = Buffer.from(this.#random.bytes(poolBytes)).toString("hex");
      this.#used = 0;
    }
    const id = this.#pool.slice(this.#used, this.#used + 2 * idBytes);
    this.#used += 2 * idBytes;
    return id;
  }
}

/** The id of a sync session's n-th mutation or action (sync-protocol.md §5.7). */
export function derivedRequestId(sessionId: string, counter: number): string {
  return createHash("sha256").update(`${sessionId}|${counter}`).digest("hex").slice(0, 16);
}
