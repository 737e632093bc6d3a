import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { noTypecheck, openSample } from "./sample.ts";

let server: TestServer;
let project: TestProject;
let author: string;

beforeAll(async () => {
  ({ server, project } = await openSample());
  author = (await server.call("users:create", { name: "Ann" })) as string;
});
afterAll(() => server.dispose());

async function printed(args: readonly string[]): Promise<string> {
  const { code, stdout, output } = await project.convex(["run", ...args]);
  expect(code, output).toBe(0);
  return stdout;
}

async function failure(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await project.convex(["run", ...args]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  return stderr.replace(/\[Request ID: [0-9a-f]{16}\]/, "[Request ID: ...]");
}

describe("convex run", () => {
  it("calls public functions with JSON5 arguments and prints their results", async () => {
    const sent = await project.convex(["run", "messages:send", `{author: "${author}", body: 'hello'}`]);
    expect(sent).toMatchObject({
      code: 0,
      stderr: "[CONVEX ?(messages:send)] [LOG] 'sending' { length: 5 }\n",
    });
    expect(JSON.parse(sent.stdout)).toMatch(/^[a-z0-9]{31,37}$/);
    expect(JSON.parse(await printed(["messages:list", JSON.stringify({ author })]))).toEqual([
      { body: "hello", likes: { $integer: "AAAAAAAAAAA=" } },
    ]);
    const page = await printed(["messages:page", "{paginationOpts: {numItems: 5, cursor: null}}"]);
    expect(JSON.parse(page)).toMatchObject({
      isDone: true,
      page: [{ author, body: "hello", attachment: null }],
    });
  });

  it("finds functions by every form of their name, internal and nested ones included", async () => {
    await server.call("messages:clear");
    const names = ["messages:countAll", "convex/messages.ts:countAll", "internal.messages.countAll"];
    expect(await Promise.all(names.map((name) => printed([name])))).toEqual(["0\n", "0\n", "0\n"]);
    const [nested, short, full] = await Promise.all([
      printed(["internal.admin.reports.usage.summary"]),
      printed(["notes"]),
      printed(["api.notes.default"]),
    ]);
    expect(JSON.parse(nested)).toEqual({ greeting: "no greeting", users: 1 });
    expect([short, full]).toEqual(["[]\n", "[]\n"]);
    // A null result prints nothing.
    expect(await printed(["notes:add", '{"text":"a"}'])).toBe("");
  });

  it("lists what there is when a function or module is missing", async () => {
    const missing = async (name: string) => {
      expect(await failure([name])).toBe(
        [
          `✖ Failed to run function "${name}":`,
          "Error: [Request ID: ...] Server Error",
          `Could not find function for '${name}'. Did you forget to run \`npx convex dev\`?`,
          "",
          "Available functions:",
          "• actions:addTwice",
          "• actions:failLater",
          "• admin/reports/usage:summary",
          "• messages:list",
          "• messages:page",
          "• messages:send",
          "• messages:countAll",
          "• messages:clear",
          "• node/paths:extension",
          "• notes:default",
          "• notes:add",
          "• notes:removeAll",
          "• users:create",
          "• users:whoAmI",
          "",
        ].join("\n"),
      );
    };
    await Promise.all([missing("messages:missing"), missing("missing:list")]);
  });

  it("says which argument is wrong", async () => {
    const [wrong, absent, extra, broken] = await Promise.all([
      failure(["messages:list", '{"author":"nobody"}']),
      failure(["messages:list"]),
      failure(["notes:add", '{"text":"a","color":"red"}']),
      failure(["messages:list", "{author:"]),
    ]);
    expect(wrong).toBe(
      [
        '✖ Failed to run function "messages:list":',
        "Error: [Request ID: ...] Server Error",
        "ArgumentValidationError: Value does not match validator.",
        "Path: .author",
        'Value: "nobody"',
        'Validator: v.id("users")',
        "",
      ].join("\n"),
    );
    expect(absent).toContain("ArgumentValidationError: Object is missing the required field `author`.");
    expect(extra).toContain(
      "ArgumentValidationError: Object contains extra field `color` that is not in the validator.",
    );
    expect(broken).toContain("Failed to parse arguments as JSON");
  });

  it("prints thrown errors with the line of the source file, and the data of a ConvexError", async () => {
    const send = (body: string) => failure(["messages:send", JSON.stringify({ author, body })]);
    const [thrown, withData] = await Promise.all([send("boom"), send("")]);
    expect(thrown).toMatch(
      /Uncaught Error: the message exploded\n {4}at handler \(\.\.\/convex\/messages\.ts:29:\d+\)\n$/,
    );
    expect(withData).toMatch(
      /Uncaught ConvexError: \{"code":"empty","field":"body"\}\n {4}at handler \(\.\.\/convex\/messages\.ts:28:\d+\)\n$/,
    );
  });

  it("runs actions, of both runtimes", async () => {
    await server.call("notes:removeAll");
    const added = await project.convex(["run", "actions:addTwice", '{"text":"a"}']);
    expect(added).toMatchObject({
      code: 0,
      stderr: "[CONVEX ?(actions:addTwice)] [LOG] 'adding' 'a'\n",
    });
    expect(JSON.parse(added.stdout)).toEqual(["1 a", "2 a"]);
    expect(await failure(["actions:failLater"])).toMatch(
      /Uncaught Error: too late\n {4}at handler \(\.\.\/convex\/actions\.ts:18:\d+\)\n$/,
    );
    expect(await printed(["node/paths:extension", '{"file":"a/b.txt"}'])).toBe('".txt"\n');
  });

  it("acts as a user with --identity", async () => {
    expect(await printed(["users:whoAmI"])).toBe("");
    const identity = '{name: "Zed", subject: "zed", issuer: "https://id.example.com"}';
    expect(JSON.parse(await printed(["users:whoAmI", "--identity", identity]))).toEqual({
      name: "Zed",
      token: "https://id.example.com|zed",
    });
    expect(await failure(["users:whoAmI", "--identity", "{name:"])).toContain(
      "Failed to parse identity as JSON",
    );
  });

  it("pushes first with --push", async () => {
    project.write(
      "convex/fresh.ts",
      `import { query } from "./_generated/server";
       export const answer = query({ args: {}, handler: async () => 42 });`,
    );
    expect(await failure(["fresh:answer"])).toContain("Could not find function for 'fresh:answer'");
    expect(await printed(["fresh:answer", "--push", ...noTypecheck])).toBe("42\n");
    project.remove("convex/fresh.ts");
    expect(await failure(["fresh:answer", "--push", ...noTypecheck])).toContain(
      "Could not find function for 'fresh:answer'",
    );
  });

  it("prints every new result with --watch, through a restart of the server", async () => {
    const send = (body: string) => server.call("messages:send", { author, body });
    await server.call("messages:clear");
    const watch = project.startConvex(["run", "--watch", "messages:countAll"]);
    try {
      await watch.until("\n0\n");
      await send("first");
      await watch.until("1\n");
      await server.restart();
      await send("second");
      await watch.until("\n2\n");
      watch.signal("SIGINT");
      expect((await watch.exit()).output).toMatch(/\nClosing connection to http:\S+\n$/);
    } finally {
      await watch.dispose();
    }
  });

  it("refuses a wrong admin key and a server that is not there", async () => {
    const wrong = await project.convex([
      "run",
      "messages:countAll",
      "--url",
      server.url,
      "--admin-key",
      "lenslet|00",
    ]);
    expect(wrong).toMatchObject({ code: 1, stdout: "" });
    expect(wrong.stderr).toContain("The provided admin key was invalid for this instance");
    const absent = await project.convex([
      "run",
      "messages:countAll",
      "--url",
      "http://127.0.0.1:9",
      "--admin-key",
      "x",
    ]);
    expect(absent).toMatchObject({ code: 1, stdout: "" });
  });
});
