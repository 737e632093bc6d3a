import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../../conformance/support/until.ts";
import { codeOf } from "../../../../conformance/support/failures.ts";
import { Service } from "../../../../packages/stand-ins/src/service.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import { type Person, TurboServer } from "../support/turboServer.ts";

let turbo: TurboServer;
let admin: Person;

beforeAll(async () => {
  turbo = await TurboServer.start();
  admin = await turbo.signIn("Admin", "admin@example.com");
}, 240_000);
afterAll(async () => {
  await turbo?.close();
});

const stepsOf = async (person: Person) => (await turbo.onboarding(person)).steps.map(({ name }) => name);
const stateOf = async (person: Person) => (await turbo.onboarding(person)).state;
const mailsTo = ({ email }: Person) =>
  turbo.mail.outbox.filter(({ to }) => to.includes(email)).map(({ subject }) => subject);
const reaches = (person: Person, state: string) =>
  eventually(async () => (await stateOf(person)) === state, { timeoutMs: 120_000 });

/** What the admin sees of it. */
async function rowOf(person: Person) {
  const { page } = await admin.client.query(api.workflows.admin.list, {
    paginationOpts: { numItems: 10, cursor: null },
  });
  return page.find(({ userId }) => userId === person.id);
}

const beginning = ["grantCredits", "createCustomer", "createFirstProject", "wait:first"];
const all = [...beginning, "finish"];

/** What a user has after their onboarding, whatever happened meanwhile: everything, and everything once. */
async function expectOnboarded(person: Person, steps = all): Promise<void> {
  expect(await stepsOf(person)).toEqual(steps);
  expect(await person.client.query(api.users.me, {})).toMatchObject({
    credits: 100,
    onboardingCompleted: true,
  });
  const projects = await person.client.query(api.projects.list, {});
  expect(projects.map(({ name }) => name)).toEqual(["My first project"]);
  expect(turbo.autumn.accounts.get(person.id).id).toBe(person.id);
  await eventually(() => mailsTo(person).includes("You are all set"));
  expect(mailsTo(person)).toEqual(["Welcome to TurboKit!", "You are all set"]);
}

describe("onboarding", () => {
  it("waits for the profile, then finishes", async () => {
    const ann = await turbo.welcomed("Ann");
    expect(await stepsOf(ann)).toEqual(beginning);
    await ann.client.mutation(api.users.completeOnboarding, {});
    await ann.client.mutation(api.users.completeOnboarding, {});
    await reaches(ann, "completed");
    await expectOnboarded(ann);
  });

  it("reminds once who does not come, and goes on without them", async () => {
    await turbo.server.updateEnvironment({ ONBOARDING_WAIT_MS: "500" });
    const bob = await turbo.signIn("Bob");
    await reaches(bob, "completed");
    await turbo.server.updateEnvironment({ ONBOARDING_WAIT_MS: null });
    expect(await stepsOf(bob)).toEqual([...beginning, "wait:second", "finish"]);
    await eventually(() => mailsTo(bob).length === 2);
    expect(mailsTo(bob)).toEqual(["Welcome to TurboKit!", "Finish your profile"]);
  });

  it("takes back what it has done when a step fails for good", async () => {
    await turbo.server.updateEnvironment({ AUTUMN_SECRET_KEY: "wrong" });
    const cat = await turbo.signIn("Cat");
    await reaches(cat, "compensated");
    await turbo.server.updateEnvironment({ AUTUMN_SECRET_KEY: "am_sk_test" });
    expect(await stepsOf(cat)).toEqual(["grantCredits", "revokeCredits", "compensated"]);
    expect(await cat.client.query(api.users.me, {})).toMatchObject({ credits: 0 });
    expect(await cat.client.query(api.projects.list, {})).toEqual([]);
    expect(mailsTo(cat)).toEqual([]);
    const row = await rowOf(cat);
    expect(row).toMatchObject({ state: "compensated", userName: "Cat", name: "onboarding" });
    expect(row?.error).toContain("Autumn");
  }, 180_000);

  it("is seen and ended by admins", async () => {
    const dan = await turbo.welcomed("Dan");
    const { workflowId } = await turbo.onboarding(dan);
    const journal = () => admin.client.query(api.workflows.admin.steps, { workflowId });
    await eventually(async () => (await journal()).at(-1)?.kind === "event");
    const [first, ...rest] = await journal();
    expect(first).toMatchObject({ name: "workflows/onboarding:grantCredits", status: "success" });
    expect(rest.map(({ status }) => status)).toEqual(["success", "success", "success", "success", "running"]);
    expect(await codeOf(admin.client.mutation(api.workflows.admin.restart, { workflowId }))).toBe("CONFLICT");
    await admin.client.mutation(api.workflows.admin.cancel, { workflowId });
    await reaches(dan, "failed");
    expect(await codeOf(admin.client.mutation(api.workflows.admin.cancel, { workflowId }))).toBe("CONFLICT");
    // It goes on where it was: the wait begins anew, and is heard when it is over.
    await admin.client.mutation(api.workflows.admin.restart, { workflowId });
    await reaches(dan, "waiting");
    expect(await rowOf(dan)).not.toHaveProperty("error");
    await eventually(async () => (await journal()).at(-1)?.kind === "event");
    await dan.client.mutation(api.users.completeOnboarding, {});
    await reaches(dan, "completed");
    await expectOnboarded(dan, [...beginning, "wait:first", "finish"]);
  });

  it("goes on after a step that was broken off, and takes none twice", async () => {
    await turbo.server.updateEnvironment({ ONBOARDING_PAUSE_MS: "3000" });
    const fay = await turbo.signIn("Fay");
    const { workflowId } = await turbo.onboarding(fay);
    const journal = () => admin.client.query(api.workflows.admin.steps, { workflowId });
    // In the pause after the second step, or a little later: wherever it is, nothing is lost and nothing doubled.
    await eventually(async () => (await journal()).filter(({ name }) => name === "pause").length === 2);
    await admin.client.mutation(api.workflows.admin.cancel, { workflowId });
    await reaches(fay, "failed");
    await turbo.server.updateEnvironment({ ONBOARDING_PAUSE_MS: null });
    await admin.client.mutation(api.workflows.admin.restart, { workflowId });
    await reaches(fay, "waiting");
    await fay.client.mutation(api.users.completeOnboarding, {});
    await reaches(fay, "completed");
    const steps = await stepsOf(fay);
    expect(new Set(steps)).toEqual(new Set(all));
    await expectOnboarded(fay, steps);
  });
});

describe("kill -9", () => {
  /** Far longer than it takes to see that it has begun. */
  const pauseMs = 4_000;

  it("between any two steps: each is taken once, and the user gets everything", async () => {
    await turbo.server.updateEnvironment({ ONBOARDING_PAUSE_MS: String(pauseMs) });
    const eve = await turbo.signIn("Eve");
    const { workflowId } = await turbo.onboarding(eve);
    const killAtPause = async (count: number) => {
      await eventually(
        async () => {
          const journal = await admin.client.query(api.workflows.admin.steps, { workflowId });
          const pauses = journal.filter(({ name }) => name === "pause");
          return pauses.length === count && pauses.at(-1)?.status === "running";
        },
        { timeoutMs: 120_000 },
      );
      await restart();
    };
    // Credits, customer, project, welcome.
    for (const count of [1, 2, 3, 4]) await killAtPause(count);
    await reaches(eve, "waiting");
    await restart();
    await eve.client.mutation(api.users.completeOnboarding, {});
    await killAtPause(5);
    // It has finished, but nobody has been told.
    await killAtPause(6);
    await expectOnboarded(eve);
    const journal = await admin.client.query(api.workflows.admin.steps, { workflowId });
    expect(
      journal.filter(({ kind }) => kind === "function").every(({ status }) => status === "success"),
    ).toBe(true);
  }, 600_000);

  it("in the middle of a step that is an action: it is taken again, and the user gets everything", async () => {
    await turbo.server.updateEnvironment({ ONBOARDING_PAUSE_MS: null });
    // A service that takes the call and does not answer.
    let isAsked = false;
    const silent = await Service.start(() => {
      isAsked = true;
      return new Promise(() => {});
    });
    try {
      await turbo.server.updateEnvironment({ AUTUMN_URL: silent.url });
      const gil = await turbo.signIn("Gil");
      await eventually(() => isAsked);
      await turbo.server.kill9();
      await turbo.server.start();
      await turbo.server.updateEnvironment({ AUTUMN_URL: turbo.autumn.url });
      expect(await stepsOf(gil)).toEqual(["grantCredits"]);
      // What the work pool does by itself after five minutes, with those that it has down as running.
      const jobs = await eventually(async () => {
        const running = await runningJobs();
        return running.length > 0 && running;
      });
      await inPool("recovery:recover", { jobs });
      await reaches(gil, "waiting");
      await gil.client.mutation(api.users.completeOnboarding, {});
      await reaches(gil, "completed");
      await expectOnboarded(gil);
    } finally {
      await turbo.server.updateEnvironment({ AUTUMN_URL: turbo.autumn.url });
      await silent.close();
    }
  }, 600_000);

  interface PoolJob {
    readonly workId: string;
    readonly scheduledId: string;
    readonly started: number;
  }

  const pool = "workflow/workpool";

  /** Calls a function of the workflows' pool as admin. */
  async function inPool(name: string, args: object): Promise<void> {
    const response = await fetch(`${turbo.server.url}/api/function`, {
      method: "POST",
      headers: { authorization: `Convex ${turbo.server.adminKey}`, "content-type": "application/json" },
      body: JSON.stringify({ componentPath: pool, path: name, args, format: "json" }),
    });
    expect(await response.json()).toMatchObject({ status: "success" });
  }

  /** The jobs of that pool that have begun and not ended, as far as it knows. */
  async function runningJobs(): Promise<(PoolJob & { readonly attempt: number })[]> {
    const rows = async (table: string) => {
      const text = await turbo.convex("data", table, "--component", pool, "--format", "jsonArray");
      // The CLI writes large integers as 12n, which is no JSON; texts are in quotes and stay.
      return JSON.parse(text.replaceAll(/([:[,]\s*-?\d+)n(?=\s*[,}\]])/g, "$1")) as unknown[];
    };
    const [state] = (await rows("internalState")) as { running: PoolJob[] }[];
    const work = (await rows("work")) as { _id: string; attempts: number }[];
    return (state?.running ?? []).map(({ workId, scheduledId, started }) => ({
      workId,
      scheduledId,
      started,
      attempt: work.find(({ _id }) => _id === workId)?.attempts ?? 0,
    }));
  }

  async function restart(): Promise<void> {
    await turbo.server.kill9();
    await turbo.server.start();
  }
});
