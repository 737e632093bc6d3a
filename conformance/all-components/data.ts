import { expect, it } from "vitest";
import type { Deployment } from "./world.ts";

/** Counters, limits, aggregates and migrations. */
export function dataPackages(app: () => Deployment): void {
  it("sharded-counter: counts, and takes part in its caller's transaction", async () => {
    await app().call("counting:add", { name: "visits", by: 3 });
    await expect(app().call("counting:add", { name: "visits", by: 5, fail: true })).rejects.toThrow(
      "after the component has written",
    );
    expect(await app().call("counting:addTwice", { name: "visits" })).toContain("ArgumentValidationError");
    expect(await app().call("counting:count", { name: "visits" })).toBe(4);
  });

  it("rate-limiter: lets three through", async () => {
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await app().call("counting:send", { key: "me" }));
    expect(answers).toEqual([
      { ok: true, later: false },
      { ok: true, later: false },
      { ok: true, later: false },
      { ok: false, later: true },
    ]);
  });

  it("aggregate, mounted twice; migrations over the same table", async () => {
    for (const score of [5, 15, 25]) await app().call("counting:join", { name: `p${score}`, score });
    expect(await app().call("counting:standing", { score: 10 })).toEqual({
      players: 3,
      better: 2,
      median: 15,
      photos: 3,
    });
    await app().call("work:migrate");
    await app().until(
      "every player has a rank",
      async () => !((await app().call("work:ranks")) as unknown[]).includes(null),
    );
    expect(await app().call("work:ranks")).toEqual(["wood", "gold", "gold"]);
  });
}
