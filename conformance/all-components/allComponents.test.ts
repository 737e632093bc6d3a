import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aiPackages } from "./ai.ts";
import { betterAuthPackage } from "./betterAuth.ts";
import { dataPackages } from "./data.ts";
import { libraryPackages } from "./libraries.ts";
import { peoplePackages } from "./people.ts";
import { servicePackages } from "./services.ts";
import { workPackages } from "./work.ts";
import { pushTimeoutMs, World } from "./world.ts";

/*
 * One app with every published component package mounted, pushed by the official CLI. The packages are installed from
 * the app's own lock file the first time, so that they are no part of this repository's installation.
 */

let world: World;
const app = () => world.deployment;

beforeAll(async () => {
  world = await World.start();
  const { code, stderr } = await app().push();
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("functions ready!") });
  expect(stderr).toContain("Installed component resend/emailWorkpool/batchWorker.");
}, pushTimeoutMs + 240_000);
afterAll(() => world?.dispose());

describe("data", () => dataPackages(app));
describe("work", () => workPackages(app));
describe("people", () => peoplePackages(app));
describe("ai", () => aiPackages(app));
describe("services", () => servicePackages(() => world));
describe("libraries", () => libraryPackages(app));
describe("better-auth", () => betterAuthPackage(app));

describe("the CLI with components", () => {
  it("runs functions of a component and shows its data", async () => {
    const run = await app().project.convex([
      "run",
      "--component",
      "shardedCounter",
      "public:count",
      '{"name":"visits"}',
    ]);
    expect(run).toMatchObject({ code: 0, stdout: "4\n" });
    const unknown = await app().project.convex(["run", "--component", "nowhere", "public:count", "{}"]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("Component nowhere not found");
    const tables = await app().project.convex(["data", "--component", "shardedCounter"]);
    expect(tables).toMatchObject({ code: 0, stdout: "counters\n" });
  });

  it(
    "unmounts what the app does not use any more and mounts it again with its data",
    async () => {
      const config = app().project.read("convex/convex.config.ts");
      const counting = app().project.read("convex/counting.ts");
      app().project.write("convex/convex.config.ts", config.replace(/^.*shardedCounter.*\n/gm, ""));
      app().project.write(
        "convex/counting.ts",
        counting.replace("new ShardedCounter(components.shardedCounter", "new ShardedCounter({} as never"),
      );
      expect((await app().push()).stderr).toContain("Unmounted component shardedCounter.");
      const components = (await app().call("_system/frontend/components:list")) as {
        path: string;
        state: string;
      }[];
      expect(components.find(({ path: at }) => at === "shardedCounter")?.state).toBe("unmounted");
      const args = '{"name":"visits","count":1}';
      const written = await app().project.convex([
        "run",
        "--component",
        "shardedCounter",
        "public:add",
        args,
      ]);
      expect(written.stderr).toContain("Cannot perform write operations in an unmounted component.");
      app().project.write("convex/convex.config.ts", config);
      app().project.write("convex/counting.ts", counting);
      expect((await app().push()).stderr).toContain("Remounted component shardedCounter.");
      expect(await app().call("counting:count", { name: "visits" })).toBe(4);
    },
    2 * pushTimeoutMs,
  );
});

describe("killed and started again", () => {
  /** What components of every kind have been told by the tests above. */
  async function told(): Promise<unknown> {
    const paginationOpts = { numItems: 10, cursor: null };
    const { page } = (await app().call("files:listMetadata", { paginationOpts })) as {
      page: { key: string }[];
    };
    return {
      components: await app().call("_system/frontend/components:list"),
      visits: await app().call("counting:count", { name: "visits" }),
      standing: await app().call("counting:standing", { score: 10 }),
      ranks: await app().call("work:ranks"),
      document: await app().call("people:latestVersion", { id: "doc" }),
      customer: await app().call("payments:customer", { id: "cus_1" }),
      files: page.map(({ key }) => key),
      ents: await app().call("ents:counts"),
      mails: await app().events("mail"),
    };
  }

  it("has all that its components were told, and goes on", async () => {
    const before = await told();
    expect(before).toMatchObject({ visits: 4, document: 2, customer: { email: "a@example.com" } });
    await app().server.kill9();
    await app().server.start();
    expect(await told()).toEqual(before);
    await app().call("counting:add", { name: "visits", by: 1 });
    expect(await app().call("counting:count", { name: "visits" })).toBe(5);
    expect(await app().call("ai:find", { query: "zebra" })).toEqual(["zebras gallop"]);
    const kettles = { userId: "ann", text: "whistling kettles", by: "vector" };
    expect(await app().call("recall:find", kettles)).toEqual(["The kettle whistles at dawn"]);
  });
});
