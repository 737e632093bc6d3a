import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntervalTree } from "./intervalTree.ts";

describe("IntervalTree", () => {
  it("stays balanced whatever the order of insertion and removal", () => {
    const tree = new IntervalTree<number>();
    const key = (n: number) => String(n).padStart(6, "0");
    const count = 2 ** 12;
    for (let i = 0; i < count; i++) tree.add(key(i), key(i + 1), i);
    // An AVL tree is at most 1.44 log2(n) high.
    expect(tree.height()).toBeLessThanOrEqual(18);
    for (let i = 0; i < count - 16; i++) tree.remove(key(i), key(i + 1), i);
    expect(tree.height()).toBeLessThanOrEqual(6);
    for (let i = count - 16; i < count; i++) tree.remove(key(i), key(i + 1), i);
    expect(tree.isEmpty()).toBe(true);
  });

  it("finds the same tokens as a list, equal intervals and open ends included", () => {
    const bound = fc.nat({ max: 40 });
    const interval = fc.tuple(bound, fc.option(bound, { freq: 6 }), fc.nat({ max: 5 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(interval, fc.boolean()), { maxLength: 120, size: "max" }), (steps) => {
        const key = (n: number) => String.fromCharCode(n);
        const tree = new IntervalTree<number>();
        const model = new Map<string, [number, number | null, number]>();
        for (const [[lower, upper, token], isAdd] of steps) {
          const name = JSON.stringify([lower, upper, token]);
          const upperKey = upper === null ? null : key(upper);
          if (isAdd) {
            tree.add(key(lower), upperKey, token);
            model.set(name, [lower, upper, token]);
          } else {
            tree.remove(key(lower), upperKey, token);
            model.delete(name);
          }
        }
        for (let probe = 0; probe <= 41; probe++) {
          const found = new Set<number>();
          tree.stab(key(probe), found);
          const hits = [...model.values()].filter(
            ([lower, upper]) => lower <= probe && (upper === null || probe < upper),
          );
          expect(found).toEqual(new Set(hits.map(([, , token]) => token)));
        }
      }),
    );
  });
});
