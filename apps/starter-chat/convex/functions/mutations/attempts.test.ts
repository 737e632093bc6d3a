import { describe, expect, it } from "vitest";
import { internal } from "../../_generated/api.js";
import type { AttemptKind } from "../../model/attempts.ts";
import { attemptLimits } from "../../model/limits.ts";
import { startBackend } from "../../tests/backend.support.ts";

const { take, forget } = internal.functions.mutations.attempts;
const { perAddressMax, perPlaceMax, windowMs } = attemptLimits.password;

/** A deployment, and what somebody tries from one place of the network. */
function start() {
  const backend = startBackend();
  return {
    backend,
    from: (ip: string | null) => ({
      take: (email: string, kind: AttemptKind = "password") =>
        backend.withRequestMetadata({ ip }).mutation(take, { kind, email }),
      forget: (email: string) =>
        backend.withRequestMetadata({ ip }).mutation(forget, { kind: "password", email }),
    }),
    letTimePass: () =>
      backend.run(async (ctx) => {
        for (const { _id } of await ctx.db.query("attempts").collect())
          await ctx.db.patch("attempts", _id, { until: 1 });
      }),
  };
}

describe("attempts", () => {
  it("are counted for an address, from wherever and however it is written; others are not held back", async () => {
    const { from, letTimePass } = start();
    for (let attempt = 0; attempt < perAddressMax; attempt++)
      expect(
        await from(`10.0.0.${attempt}`).take(attempt % 2 === 0 ? "ada@example.com" : " Ada@Example.com "),
      ).toBe(0);
    const waitMs = await from("10.0.1.1").take("ada@example.com");
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(windowMs);
    expect(await from("10.0.1.1").take("bob@example.com")).toBe(0);
    expect(await from("10.0.1.1").take("ada@example.com", "mail")).toBe(0);
    await letTimePass();
    expect(await from("10.0.1.1").take("ada@example.com")).toBe(0);
  });

  it("are counted for a place, whatever the addresses", async () => {
    const { from } = start();
    for (let attempt = 0; attempt < perPlaceMax; attempt++)
      expect(await from("10.0.0.1").take(`${attempt}@example.com`)).toBe(0);
    expect(await from("10.0.0.1").take("one.more@example.com")).toBeGreaterThan(0);
    // What has been refused counts for nobody.
    expect(await from("10.0.0.2").take("one.more@example.com")).toBe(0);
  });

  it.each([
    ["2001:db8:1:2::1", "2001:DB8:1:2:ffff::2", true],
    ["2001:db8::1", "2001:db8:0:0:1::", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["::ffff:10.0.0.1", "10.0.0.1", true],
    ["::1", "::1", true],
    ["not an address", "neither is this", false],
  ])("%s and %s are one place: %s", async (one, other, isSame) => {
    const { backend, from } = start();
    await from(one).take("");
    await from(other).take("");
    expect(await backend.run((ctx) => ctx.db.query("attempts").collect())).toHaveLength(isSame ? 1 : 2);
  });

  it("that were right are forgotten for the address; to the place they pay for no wrong ones", async () => {
    const { backend, from } = start();
    const here = from("10.0.0.1");
    for (let attempt = 0; attempt < perAddressMax; attempt++) await here.take("ada@example.com");
    await here.forget("ada@example.com");
    expect(await here.take("ada@example.com")).toBe(0);
    const rows = await backend.run((ctx) => ctx.db.query("attempts").collect());
    expect(rows.map(({ key, count }) => [key, count])).toEqual([
      ["password from 10.0.0.1", perAddressMax],
      ["password for ada@example.com", 1],
    ]);
    await from("10.0.0.9").forget("nobody@example.com");
  });

  it("of nobody from nowhere are not counted, and counts are swept when their time is over", async () => {
    const { backend, from, letTimePass } = start();
    expect(await from(null).take("")).toBe(0);
    await from("10.0.0.1").take("ada@example.com");
    const { sweep } = internal.functions.mutations.sweep;
    expect(await backend.mutation(sweep, {})).toMatchObject({ attempts: 0 });
    await letTimePass();
    expect(await backend.mutation(sweep, {})).toMatchObject({ attempts: 2 });
    expect(await backend.run((ctx) => ctx.db.query("attempts").collect())).toEqual([]);
  });
});
