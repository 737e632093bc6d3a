import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { openSample } from "./sample.ts";

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  ({ server, project } = await openSample());
});
afterAll(() => server.dispose());

async function env(...args: string[]): Promise<string> {
  const { code, output } = await project.convex(["env", ...args]);
  expect(code, output).toBe(0);
  return output;
}

async function refused(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await project.convex(["env", ...args]);
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
  return stderr;
}

async function stored(): Promise<Record<string, string>> {
  const list = await server.call("_system/cli/queryEnvironmentVariables");
  return Object.fromEntries(
    (list as { name: string; value: string }[]).map(({ name, value }) => [name, value]),
  );
}

beforeEach(async () => {
  await server.updateEnvironment(Object.fromEntries(Object.keys(await stored()).map((name) => [name, null])));
});

describe("convex env", () => {
  it("sets, gets, lists and removes variables, and functions see them at once", async () => {
    expect(await env("set", "GREETING", "hello there")).toBe("✔ Successfully set GREETING\n");
    expect(await env("set", "ANOTHER=a=b")).toBe("✔ Successfully set ANOTHER\n");
    expect(await env("get", "GREETING")).toBe("hello there\n");
    expect(await env("list")).toBe("ANOTHER=a=b\nGREETING=hello there\n");
    expect(await server.call("admin/reports/usage:summary")).toMatchObject({ greeting: "hello there" });
    expect(await env("remove", "GREETING")).toBe("✔ Successfully unset GREETING\n");
    expect(await server.call("admin/reports/usage:summary")).toMatchObject({ greeting: "no greeting" });
  });

  it("keeps variables over a restart", async () => {
    await env("set", "KEPT", "ünïcode and\ttabs");
    await server.restart();
    expect(await env("get", "KEPT")).toBe("ünïcode and\ttabs\n");
  });

  it("sets many from a file or from stdin, and none when one is in the way", async () => {
    project.write("vars", 'ONE=1\nTWO="two words"\n# a comment\nCONVEX_URL=skipped\n');
    expect(await env("set", "--from-file", "vars")).toBe(
      "Skipping 1 CLI-managed environment variable: CONVEX_URL\n✔ Successfully set 2 environment variables from vars (2 new)\n",
    );
    project.write("vars", "ONE=changed\nTHREE=3\n");
    expect(await refused("set", "--from-file", "vars")).toContain(
      "environment variable ONE already exists with different value",
    );
    expect(await stored()).toEqual({ ONE: "1", TWO: "two words" });
    await env("set", "--force", "--from-file", "vars");
    const { code } = await project.convex(["env", "set"], { input: "FOUR=4\n" });
    expect(code).toBe(0);
    expect(await stored()).toEqual({ FOUR: "4", ONE: "changed", THREE: "3", TWO: "two words" });
  });

  it("refuses bad names and changes nothing then", async () => {
    await Promise.all(
      ["1BAD", "WITH SPACE", "A-B", "A".repeat(257)].map(async (name) => {
        expect(await refused("set", name, "x")).toMatch(
          /EnvironmentVariableNameInvalid|name A{257} is too long/,
        );
      }),
    );
    expect(await refused("set", "CONVEX_CLOUD_URL", "x")).toContain(
      'EnvVarNameForbidden: Environment variable with name "CONVEX_CLOUD_URL" is built-in and cannot be overridden',
    );
    project.write("vars", "GOOD=1\nBAD-NAME=2\n");
    expect(await refused("set", "--from-file", "vars")).toContain("BAD-NAME is invalid");
    expect(await stored()).toEqual({});
  });

  it("says so when there is no such variable", async () => {
    const { code, output } = await project.convex(["env", "get", "MISSING"]);
    expect({ code, output }).toEqual({ code: 0, output: '✖ Environment variable "MISSING" not found\n' });
  });

  it("needs the admin key", async () => {
    const bad = ["--url", server.url, "--admin-key", "lenslet|00"];
    expect(await refused("set", "A", "b", ...bad)).toContain(
      "The provided admin key was invalid for this instance",
    );
    expect((await project.convex(["env", "list", ...bad])).code).toBe(1);
    expect(await stored()).toEqual({});
  });
});
