import { describe, expect, it } from "vitest";
import { plantedBugs } from "./plantedBugs.ts";
import { simulate } from "./simulation.ts";

const groups = 8;
const seedsOfGroup = 4;
/** Seeds within which a planted bug must be found. */
const seedsMax = 50;
/** Seeds within which every fate must be seen: any change of the engine deals the rare ones to other seeds. */
const fateSeedsMax = 100;

/** What became of scheduled functions and crons, in all the simulations of this file together. */
const fates = [
  "mutation pending -> success",
  "mutation pending -> failed",
  "mutation pending -> canceled",
  "action pending -> inProgress",
  "action pending -> canceled",
  "action inProgress -> success",
  "action inProgress -> failed",
  "action inProgress -> interrupted",
  "action inProgress -> canceled",
  "action inProgress -> pending",
  "scheduled by a canceled action",
  "cron run of a mutation: success",
  "cron run of a mutation: err",
  "cron run of an action: success",
  "cron run of an action: err",
  "cron runs skipped",
  "disk full",
] as const;

describe("the engine under faults", () => {
  const seen: Record<string, number> = {};

  it("does the same again with the same seed", async () => {
    const [first, second] = [await simulate({ seed: 1 }), await simulate({ seed: 2 })];
    expect(await simulate({ seed: 1 })).toEqual(first);
    expect(second.hash).not.toBe(first.hash);
  });

  it.each(Array.from({ length: groups }, (_, i) => 1 + i * seedsOfGroup))(
    "keeps its promises, seeds from %i",
    async (from) => {
      for (let seed = from; seed < from + seedsOfGroup; seed++) await check(seed);
    },
  );

  it("has led to every fate of a job and of a cron", { timeout: 180_000 }, async () => {
    const unseen = () => fates.filter((fate) => !(fate in seen));
    for (let seed = 1 + groups * seedsOfGroup; seed <= fateSeedsMax && unseen().length > 0; seed++)
      await check(seed);
    expect(unseen()).toEqual([]);
  });

  async function check(seed: number): Promise<void> {
    const { violations, counts } = await simulate({ seed });
    expect({ seed, violations }).toEqual({ seed, violations: [] });
    expect(counts["commit"]).toBeGreaterThan(10);
    for (const [what, count] of Object.entries(counts)) seen[what] = (seen[what] ?? 0) + count;
  }
});

describe("a planted bug is found", () => {
  it.each(plantedBugs)("%s", { timeout: 180_000 }, async (bug) => {
    for (let seed = 1; seed <= seedsMax; seed++) {
      const { violations } = await simulate({ seed, bug });
      if (violations.length > 0) return;
    }
    expect.fail(`not found within ${seedsMax} seeds`);
  });
});
