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
