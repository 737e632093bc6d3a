import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../../conformance/support/seededRandom.ts";
import { TestProject } from "../../../conformance/support/project.ts";
import { TestServer } from "../../../conformance/support/server.ts";
import { callHttp, push } from "./rig.ts";
import { checkFiles } from "./storedFiles.ts";

/** Files under kill -9: what was acknowledged is there, what is listed can be read, and nothing else is on the disk. */

let server: TestServer;
afterEach(() => server.dispose());

async function startServer(): Promise<void> {
  server = await TestServer.start();
  await push(
    server,
    TestProject.create(fileURLToPath(new URL("../../../conformance/files/app", import.meta.url))),
  );
}

async function uploadUrl(): Promise<string> {
  const answer = await callHttp(server.url, "mutation", "files:uploadUrl", {});
  if (answer.status !== "success") throw new Error(answer.errorMessage);
  return answer.value as string;
}

describe("files on a server that is killed", () => {
  it("are there, whole, or gone without a trace", { timeout: 300_000 }, async () => {
    await startServer();
    const random = seededRandom(7);
    const stored = new Set<string>();
    const deleted = new Set<string>();
    /** Asked for and not answered. */
    const maybeDeleted = new Set<string>();
    for (let round = 0; round < 6; round++) {
      const url = await uploadUrl();
      const upload = async (bytes: Buffer): Promise<void> => {
        try {
          const response = await fetch(url, { method: "POST", body: new Uint8Array(bytes) });
          stored.add(((await response.json()) as { storageId: string }).storageId);
        } catch {
          // Cut off: it may be there or not.
        }
      };
      const remove = async (storageId: string): Promise<void> => {
        maybeDeleted.add(storageId);
        try {
          const answer = await callHttp(server.url, "mutation", "files:remove", { storageId });
          if (answer.status === "success") deleted.add(storageId);
        } catch {
          // The same.
        }
      };
      const work: Promise<void>[] = [];
      const before = [...stored].filter((id) => !maybeDeleted.has(id));
      for (let i = 0; i < 30; i++) {
        work.push(upload(Buffer.alloc(1 + random(400_000), `round ${round} file ${i} `)));
        const victim = before[random(Math.max(before.length, 1))];
        if (victim !== undefined && !maybeDeleted.has(victim)) work.push(remove(victim));
      }
      await new Promise((resolve) => setTimeout(resolve, 20 + random(150)));
      await server.kill9();
      await Promise.all(work);
      await server.start();
      const there = await checkFiles(server);
      for (const id of stored) if (!maybeDeleted.has(id)) expect(there.has(id), id).toBe(true);
      for (const id of deleted) expect(there.has(id), id).toBe(false);
      expect(await checkFiles(server)).toEqual(there);
    }
    expect(stored.size).toBeGreaterThan(0);
    expect(deleted.size).toBeGreaterThan(0);
  });

  it("an import that is cut off is done all the same, or not at all", { timeout: 240_000 }, async () => {
    await startServer();
    const project = TestProject.create(
      fileURLToPath(new URL("../../../conformance/files/app", import.meta.url)),
    );
    project.connect(server);
    const rows = (generation: number, count: number) =>
      Array.from({ length: count }, (_, i) => JSON.stringify({ generation, i })).join("\n");
    project.write("first.jsonl", rows(0, 2000));
    expect((await project.convex(["import", "first.jsonl", "--table", "rows"])).code).toBe(0);
    const random = seededRandom(11);
    for (let round = 1; round <= 4; round++) {
      project.write("next.jsonl", rows(round, 20_000));
      const importing = project.startConvex(["import", "next.jsonl", "--table", "rows", "--replace", "-y"]);
      await importing.until("Importing", 60_000);
      await new Promise((resolve) => setTimeout(resolve, 300 + random(2500)));
      await server.kill9();
      await server.start();
      const generations = async () => {
        const size = await server.call("_system/cli/tableSize", { tableName: "rows" });
        const page = (await server.call("_system/cli/tableData", {
          table: "rows",
          order: "asc",
          paginationOpts: { numItems: 1, cursor: null },
        })) as { page: { generation: number }[] };
        return { size, generation: page.page[0]?.generation };
      };
      // An import that has begun goes on after the start; one that has not was never confirmed, or never arrived.
      const { size, generation } = await generations();
      expect(generation === round ? 20_000 : round === 1 ? 2000 : 20_000).toBe(size);
      await importing.dispose();
      project.write("again.jsonl", rows(round, 20_000));
      const again = await project.convex(["import", "again.jsonl", "--table", "rows", "--replace", "-y"]);
      expect(again.output).toContain("Added 20000 documents");
      expect(await generations()).toEqual({ size: 20_000, generation: round });
    }
  });
});
