import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChildRun } from "../support/childRun.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { noTypecheck, sampleFolder } from "./sample.ts";

let server: TestServer;
let project: TestProject;
let dev: ChildRun;

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create(sampleFolder).connect(server);
  dev = project.startConvex(["dev", ...noTypecheck]);
  await dev.until("Convex functions ready!");
});
afterAll(async () => {
  await dev.dispose();
  await server.dispose();
});

function edit(file: string, from: string, to: string): void {
  const before = project.read(file);
  expect(before).toContain(from);
  project.write(file, before.replace(from, to));
}

describe("convex dev, watching", () => {
  it("has said where it pushes to, and which indexes it has added", () => {
    expect(dev.output).toContain(`Developing against deployment:\n▌ └─ ${server.url}\n`);
    expect(dev.output).toContain(
      [
        "✔ Added table indexes:",
        "  [+] messages.by_author   author",
        "  [+] messages.by_body   body, likes",
        "  [+] notes.by_rank   rank",
        "  [+] users.by_email   email",
        "  [+] users.search_name (text)   name",
        "✔ Added staged table indexes:",
        "  [+] messages.by_likes   likes  (staged)",
      ].join("\n"),
    );
  });

  it("prints the logs of the very first call", async () => {
    await server.call("actions:addTwice", { text: "first" });
    await dev.until(/\[CONVEX A\(actions:addTwice\)\] \[LOG\] 'adding' 'first'\n/);
    await server.call("notes:removeAll");
  });

  it("pushes again when a file changes", async () => {
    edit("convex/admin/reports/usage.ts", '"no greeting"', '"still none"');
    await dev.until("Convex functions ready!");
    expect(await server.call("admin/reports/usage:summary")).toMatchObject({ greeting: "still none" });
  });

  it("shows a syntax error, leaves what runs alone, and goes on when it is fixed", async () => {
    edit("convex/notes.ts", "export default query({", "export default query(({");
    await dev.until(/✘ \[ERROR\] Expected "\)" but found ";"\n\n {4}convex\/notes\.ts:\d+:\d+:/);
    expect(await server.call("notes")).toEqual([]);
    edit("convex/notes.ts", "export default query(({", "export default query({");
    await dev.until("Convex functions ready!");
  });

  it("shows what a module throws when it is loaded, with its line", async () => {
    project.write("convex/bad.ts", "export const one = 1;\nthrow new Error('not today');\n");
    const shown = await dev.until(/not today[^✔]*bad\.ts:2:\d+/);
    expect(shown).toContain("Failed to analyze bad.js: Uncaught Error: not today");
    project.remove("convex/bad.ts");
    await dev.until("Convex functions ready!");
  });

  it("names the document that violates a new schema, and goes on when the data is repaired", async () => {
    await server.call("notes:add", { text: "a", rank: 1 });
    const id = ((await server.call("notes")) as { _id: string }[])[0]?._id ?? "";
    edit("convex/schema.ts", "rank: v.number()", "rank: v.string()");
    await dev.until(
      [
        "Schema validation failed.",
        `Document with ID "${id}" in table "notes" does not match the schema: Value does not match validator.`,
        "Path: .rank",
        "Value: 1.0",
        "Validator: v.string()",
      ].join("\n"),
    );
    expect(await project.convex(["run", "notes:removeAll"])).toMatchObject({ code: 0, stdout: "1\n" });
    await dev.until("Convex functions ready!");
    edit("convex/schema.ts", "rank: v.string()", "rank: v.number()");
    await dev.until("Convex functions ready!");
  });

  it("asks for a variable that auth.config.ts needs, and goes on when it is set", async () => {
    edit("convex/auth.config.ts", '"https://sign-in.example.com"', "process.env.SIGN_IN_URL!");
    const shown = await dev.until("env set");
    expect(shown).toContain(
      "Environment variable SIGN_IN_URL is used in auth config file but its value was not set",
    );
    expect(await project.convex(["env", "set", "SIGN_IN_URL", "https://login.example.com"])).toMatchObject({
      code: 0,
    });
    await dev.until("Convex functions ready!");
  });

  it("prints the functions' logs and errors", async () => {
    const author = await server.call("users:create", { name: "Ann" });
    await server.call("messages:send", { author, body: "a message with many characters" });
    const shown = await dev.until("'a long message'");
    expect(shown).toMatch(/\[CONVEX M\(messages:send\)\] \[LOG\] 'sending' \{ length: 30 \}\n/);
    await expect(server.call("messages:send", { author, body: "boom" })).rejects.toThrow("exploded");
    await dev.until(/\[CONVEX M\(messages:send\)\] Uncaught Error: the message exploded\n {4}at handler \(/);
  });

  it("goes on through a restart of the server", async () => {
    await server.restart();
    edit("convex/admin/reports/usage.ts", '"still none"', '"after the restart"');
    await dev.until("Convex functions ready!");
    expect(await server.call("admin/reports/usage:summary")).toMatchObject({
      greeting: "after the restart",
    });
  });

  it("ends on Ctrl-C", async () => {
    dev.signal("SIGINT");
    expect(await dev.exit()).toMatchObject({ code: 130 });
  });
});
