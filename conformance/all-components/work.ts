import { expect, it } from "vitest";
import type { Deployment } from "./world.ts";

/** What runs later, again, or on after a crash. */
export function workPackages(app: () => Deployment): void {
  it("action-cache calls the action once", async () => {
    expect([await app().call("work:cached", { n: 7 }), await app().call("work:cached", { n: 7 })]).toEqual([
      49, 49,
    ]);
    expect(await app().events("slow")).toEqual([7]);
  });

  it("action-retrier tries until it works", async () => {
    await app().call("work:retry", { name: "flaky" });
    await app().until("the retrier reports", async () => (await app().events("retried")).length > 0);
    expect(await app().events("retried")).toEqual([{ type: "success", returnValue: "done after 3" }]);
  });

  it("workpool runs jobs and calls back", async () => {
    await app().call("work:enqueue", { count: 5 });
    await app().until("all jobs have reported", async () => (await app().events("pooled")).length === 5);
    const results = (await app().events("pooled")) as { context: number; result: unknown }[];
    expect(results.toSorted((a, b) => a.context - b.context)).toEqual(
      [0, 1, 2, 3, 4].map((n) => ({
        context: n,
        result: { kind: "success", returnValue: n + 100 },
      })),
    );
  });

  it("crons: runs what was registered until it is dropped", async () => {
    await app().call("work:registerCron", { name: "beat" });
    await app().until("the cron has run twice", async () => (await app().events("beat")).length >= 2);
    await app().call("work:dropCron", { name: "beat" });
  });

  it("workflow: goes on after kill -9 between two steps", async () => {
    const id = await app().call("work:startFlow", { name: "killed" });
    await app().until("the workflow sleeps", async () => {
      const status = (await app().call("work:flowStatus", { id })) as { running?: { name: string }[] };
      return status.running?.some(({ name }) => name === "sleep") === true;
    });
    await app().server.kill9();
    await app().server.start();
    // Its last step is recorded a moment before the workflow itself has ended.
    await app().until("the workflow has ended", async () => {
      const status = (await app().call("work:flowStatus", { id })) as { type: string };
      return status.type !== "inProgress";
    });
    const steps = await app().events("killed");
    expect(steps.slice(0, 1)).toEqual([1]);
    // The two run beside each other.
    expect(new Set(steps.slice(1, 3))).toEqual(new Set([2, 3]));
    expect(await app().call("work:flowStatus", { id })).toMatchObject({ type: "completed", result: 60 });
  });
}
