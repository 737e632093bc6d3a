import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runToEnd } from "../support/childRun.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { createRequire } from "node:module";
import { sampleFolder } from "./sample.ts";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

let server: TestServer;
let project: TestProject;

beforeAll(async () => {
  server = await TestServer.start();
  project = TestProject.create(sampleFolder).connect(server);
});
afterAll(() => server.dispose());

describe("convex codegen", () => {
  it("writes types that hold, and that refuse what they should", async () => {
    const { code, stderr } = await project.convex(["codegen", "--typecheck", "disable"]);
    expect(code, stderr).toBe(0);
    const checked = await runToEnd(process.execPath, [tsc, "-p", "typeTests"], { cwd: project.folder });
    expect(checked).toMatchObject({ code: 0, output: "" });
  });

  it("deploys nothing", async () => {
    const { code, stderr } = await project.convex(["run", "notes"]);
    expect(code).toBe(1);
    expect(stderr).toContain("No functions found.");
  });

  it("writes static types of functions and tables from what the server has analyzed", async () => {
    project.write(
      "convex.json",
      JSON.stringify({ codegen: { staticApi: true, staticDataModel: true, fileType: "ts" } }),
    );
    try {
      const { code, stderr } = await project.convex(["codegen", "--typecheck", "disable"]);
      expect(code, stderr).toBe(0);
      const api = project.read("convex/_generated/api.ts");
      expect(api).toMatch(
        /send: FunctionReference<\s*"mutation",\s*"public",\s*\{ author: Id<"users">; body: string \}/,
      );
      expect(api).toMatch(/summary: FunctionReference<"query", "internal", \{\}, any>/);
      expect(project.read("convex/_generated/dataModel.ts")).toContain('role: "admin" | "member"');
    } finally {
      project.remove("convex.json");
      project.remove("convex/_generated");
    }
  });

  it("prints an error of a module and leaves with 1", async () => {
    project.write("convex/bad.ts", "export const a = 1;\nthrow new Error('not today');\n");
    const { code, stderr } = await project.convex(["codegen"]);
    project.remove("convex/bad.ts");
    expect(code).toBe(1);
    expect(stderr).toContain("not today");
  });
});
