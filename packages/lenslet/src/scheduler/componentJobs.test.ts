import { afterEach, expect, test } from "vitest";
import { appConfig, componentConfig, componentPushBody } from "../deploy/testing/componentModules.ts";
import { bundleApp } from "../deploy/testing/testBundle.ts";
import { admin, valueOf } from "../engine/testEngine.ts";
import type { Value } from "../values/value.ts";
import { SchedulerRig } from "./testScheduler.ts";

const timer = "../node_modules/timer";
const server = `import { query, mutation, internalMutation, internalAction } from "./_generated/server";
  import { anyApi, componentsGeneric } from "convex/server";`;
const app = {
  "m.ts": `${server}
    export const schedule = mutation((ctx, args) => ctx.runMutation(componentsGeneric().t.jobs.schedule, args));
    export const direct = mutation((ctx, { ms }) => ctx.scheduler.runAfter(ms, componentsGeneric().t.jobs.ring, {}));
  `,
};
const component = {
  "jobs.ts": `${server}
    export const schedule = mutation(async (ctx, { ms }) => [
      await ctx.scheduler.runAfter(ms, anyApi.jobs.ring, {}),
      await ctx.scheduler.runAfter(ms, anyApi.jobs.act, {}),
    ]);
    export const ring = mutation(async (ctx) => { await ctx.db.insert("rings", {}); });
    export const act = internalAction(async () => {});
    export const list = query(async (ctx) => ({
      rings: (await ctx.db.query("rings").collect()).length,
      states: (await ctx.db.system.query("_scheduled_functions").collect()).map(({ state }) => state.error ?? state.kind),
    }));
  `,
  "crons.ts": `import { cronJobs, anyApi } from "convex/server";
    const crons = cronJobs();
    crons.interval("tick", { seconds: 60 }, anyApi.jobs.ring);
    export default crons;
  `,
};

let rig: SchedulerRig;
afterEach(() => {
  expect(rig.server.defects).toEqual([]);
  rig.dispose();
});

async function pushMounted(mounted: boolean): Promise<void> {
  const [appModules, modules] = await Promise.all([bundleApp(app), bundleApp(component)]);
  const uses = mounted ? [{ name: "t", path: timer }] : [];
  await rig.server.pushBody(
    componentPushBody(
      { config: appConfig(uses), uses: mounted ? [timer] : [], modules: appModules.modules },
      mounted ? { [timer]: { config: componentConfig("timer"), modules: modules.modules } } : {},
    ),
  );
  await rig.server.settle();
}

async function seen(): Promise<Value> {
  const target = { kind: "path", path: "jobs:list", componentPath: "t" } as const;
  return valueOf(await rig.server.query("", {}, { target, identity: admin }));
}

test("jobs of a component that is unmounted may write nothing and its crons are gone; mounted again they begin anew", async () => {
  rig = await SchedulerRig.start(app);
  await pushMounted(true);
  expect(await seen()).toEqual({ rings: 1, states: [] });
  await rig.server.mutation("m:schedule", { ms: 1000 });
  await rig.server.mutation("m:direct", { ms: 1000 });
  await rig.server.mutation("m:schedule", { ms: 100_000 });
  await rig.advance(1000);
  expect(await seen()).toEqual({ rings: 3, states: ["success", "inProgress", "pending", "pending"] });

  await pushMounted(false);
  // Its action ends after it is gone; its other jobs become due, and so would its cron.
  rig.actions[0]?.end({ ok: true, valueJson: "null", logLines: [] });
  await rig.advance(200_000, 1000);
  expect(rig.actions).toHaveLength(2);
  rig.actions[1]?.end({ ok: false, error: { message: "no writes\n" }, logLines: [] });
  await rig.server.settle();
  expect(rig.reports).toEqual([]);
  const refused =
    "Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.";
  expect(await seen()).toEqual({
    rings: 3,
    states: ["success", "success", expect.stringContaining(refused), "no writes\n"],
  });

  await pushMounted(true);
  // The cron begins anew.
  expect(await seen()).toMatchObject({ rings: 4 });
  await rig.advance(60_000);
  expect(await seen()).toMatchObject({ rings: 5 });
});
