import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { openSample } from "./sample.ts";

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  ({ server, project } = await openSample());
  for (const text of ["first", "second", "third"])
    await server.call("notes:add", { text, rank: text.length });
});
afterAll(() => server.dispose());

async function texts(...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await project.convex(["data", "notes", "--format", "json", ...args]);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { text: string }[]).map(({ text }) => text);
}

describe.concurrent("convex data", () => {
  it("lists the tables", async () => {
    expect(await project.convex(["data"])).toMatchObject({ code: 0, stdout: "messages\nnotes\nusers\n" });
  });

  it("shows the documents of a table, newest first", async () => {
    const { code, stdout } = await project.convex(["data", "notes"]);
    expect(code).toBe(0);
    const [head, , ...rows] = stdout.trimEnd().split("\n");
    expect(head?.split("|").map((column) => column.trim())).toEqual(["_id", "_creationTime", "rank", "text"]);
    expect(rows.map((row) => row.split("|").at(-1)?.trim())).toEqual(['"third"', '"second"', '"first"']);
  });

  it("obeys --limit, --order and --format", async () => {
    expect(await texts("--order", "asc")).toEqual(["first", "second", "third"]);
    expect(await texts("--limit", "2")).toEqual(["third", "second"]);
    expect(await texts("--limit", "1", "--order", "asc")).toEqual(["first"]);
    const { stderr } = await project.convex(["data", "notes", "--limit", "2"]);
    expect(stderr).toContain(
      "Showing the 2 most recently created documents. Use the --limit option to see more.",
    );
    const { stdout } = await project.convex(["data", "notes", "--format", "jsonl"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  });

  it("finds nothing in empty, missing and public system tables", async () => {
    const shown = await Promise.all(
      ["users", "nothing", "_scheduled_functions"].map((table) => project.convex(["data", table])),
    );
    for (const { code, output } of shown)
      expect({ code, output }).toEqual({ code: 0, output: "There are no documents in this table.\n" });
  });

  it("needs the admin key", async () => {
    const { code, stderr } = await project.convex(["data", "--url", server.url, "--admin-key", "lenslet|00"]);
    expect(code).toBe(1);
    expect(stderr).toContain("The provided admin key was invalid for this instance");
  });
});
