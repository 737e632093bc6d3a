import { expect, it } from "vitest";
import { TestProject } from "./project.ts";
import { TestServer } from "./server.ts";

it("starts, kills and starts a server again on the same folder, ports and key", async () => {
  const server = await TestServer.start();
  try {
    const project = TestProject.create().connect(server);
    project.write(
      "convex/notes.ts",
      `import { mutationGeneric, queryGeneric } from "convex/server";
       export const add = mutationGeneric(async (ctx) => { await ctx.db.insert("notes", {}); });
       export const count = queryGeneric(async (ctx) => (await ctx.db.query("notes").collect()).length);`,
    );
    expect(await project.convex(["dev", "--once", "--typecheck", "disable"])).toMatchObject({ code: 0 });
    expect(await project.convex(["run", "notes:add"])).toMatchObject({ code: 0 });
    expect(await server.kill9()).toMatchObject({ code: null, signal: "SIGKILL" });
    await expect(fetch(server.url)).rejects.toThrow();
    await server.start();
    expect(await project.convex(["run", "notes:count"])).toMatchObject({ code: 0, stdout: "1\n" });
    expect(await server.stop()).toMatchObject({ code: 0, signal: null });
  } finally {
    await server.dispose();
  }
});
