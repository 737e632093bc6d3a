import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { openSample } from "./sample.ts";

/** HTTP actions have a method and a path instead of an identifier. */
interface Entry {
  readonly identifier?: string;
  readonly method?: string;
  readonly path?: string;
}

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  ({ server, project } = await openSample());
});
afterAll(() => server.dispose());

it.concurrent("convex function-spec prints every function with visibility and validators", async () => {
  const { code, stdout } = await project.convex(["function-spec"]);
  expect(code).toBe(0);
  const { url, functions } = JSON.parse(stdout) as { url: string; functions: Entry[] };
  expect(url).toBe(server.url);
  expect(functions.map(({ identifier, method, path }) => identifier ?? `${method} ${path}`)).toEqual([
    "actions.js:addTwice",
    "actions.js:failLater",
    "admin/reports/usage.js:summary",
    "GET /hello",
    "POST /files/*",
    "messages.js:list",
    "messages.js:page",
    "messages.js:send",
    "messages.js:countAll",
    "messages.js:clear",
    "node/paths.js:extension",
    "notes.js:default",
    "notes.js:add",
    "notes.js:removeAll",
    "users.js:create",
    "users.js:whoAmI",
  ]);
  expect(functions.find(({ identifier }) => identifier === "messages.js:list")).toEqual({
    identifier: "messages.js:list",
    functionType: "Query",
    visibility: { kind: "public" },
    args: {
      type: "object",
      value: { author: { fieldType: { type: "id", tableName: "users" }, optional: false } },
    },
    returns: {
      type: "array",
      value: {
        type: "object",
        value: {
          body: { fieldType: { type: "string" }, optional: false },
          likes: { fieldType: { type: "bigint" }, optional: false },
        },
      },
    },
  });
  expect(functions.find(({ identifier }) => identifier === "messages.js:clear")).toMatchObject({
    functionType: "Mutation",
    visibility: { kind: "internal" },
    returns: { type: "any" },
  });
});

it.concurrent("convex function-spec --file writes it to a file", async () => {
  const { code, output } = await project.convex(["function-spec", "--file"]);
  expect(code).toBe(0);
  const file = /function_spec_\d+\.json/.exec(output)?.[0] ?? "";
  expect(JSON.parse(project.read(file))).toMatchObject({ url: server.url });
});

it.concurrent("convex network-test passes", async () => {
  const { code, output } = await project.convex(["network-test"]);
  expect(code, output).toBe(0);
  for (const step of [
    "DNS lookup",
    "TCP connect",
    "HTTP check",
    "WebSocket connection established",
    "echo 128 bytes",
    "echo 4 MiB",
  ])
    expect(output).toContain(`OK: ${step}`);
  expect(output).toContain("Network test passed.");
});

it.concurrent("convex network-test fails with a wrong admin key", async () => {
  const { code, output } = await project.convex([
    "network-test",
    "--url",
    server.url,
    "--admin-key",
    "lenslet|00",
  ]);
  expect(code).toBe(1);
  expect(output).toContain("The provided admin key was invalid for this instance");
});

it.concurrent("commands of the cloud say that they are not for this server", async () => {
  const { output } = await project.convex(["dashboard"]);
  expect(output).toContain("`npx convex dashboard` is not supported for self-hosted deployments.");
});

it.concurrent("convex refuses CONVEX_DEPLOYMENT beside our variables", async () => {
  const { code, stderr } = await project.convex(["run", "notes"], {
    env: { CONVEX_DEPLOYMENT: "dev:happy-animal-123" },
  });
  expect(code).toBe(1);
  expect(stderr).toContain("CONVEX_DEPLOYMENT must not be set when");
});
