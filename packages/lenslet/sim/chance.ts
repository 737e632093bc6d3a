import type { Random } from "../src/base/random.ts";
import { seededRandom } from "../src/log/testSupport.ts";

/** All chance of one simulation, from one seed. */
export class Chance {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** 0 <= n < limit; limit at most 2^24. */
  below(limit: number): number {
    const [a, b, c] = this.#random.bytes(3) as unknown as [number, number, number];
    return ((a << 16) | (b << 8) | c) % limit;
  }
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
  /** Some of the items, in any order. */
  some<T>(items: readonly T[]): T[] {
    const left = [...items];
    return Array.from(
      { length: 1 + this.below(items.length) },
      () => left.splice(this.below(left.length), 1)[0] as T,
    );
  }
  weighted<T>(choices: readonly (readonly [weight: number, item: T])[]): T {
    let at = this.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, item] of choices) {
      if (at < weight) return item;
      at -= weight;
    }
    throw new Error("weights are positive");
  }
}
