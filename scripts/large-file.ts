import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { downloadLargeFile, ResidentMemory, uploadLargeFile } from "../conformance/files/largeFile.ts";
import { pushApp, TestProject } from "../conformance/support/project.ts";
import { TestServer } from "../conformance/support/server.ts";

/**
 * Memory of the server while a large file goes up, down, into an export and back out of it:
 * node scripts/large-file.ts [GiB, default 5]. Needs twice as much space in the temporary folder. Linux only.
 */
const sizeBytes = Math.round(Number(process.argv[2] ?? 5) * 1024) * 1024 ** 2;
const server = await TestServer.start();
try {
  const app = fileURLToPath(new URL("../conformance/files/app", import.meta.url));
  const project = TestProject.create(app).connect(server);
  await pushApp(server, project.folder);
  const uploadUrl = (await server.call("files:uploadUrl")) as string;
  const storageId = await measured("upload", (memory) => uploadLargeFile(uploadUrl, sizeBytes, memory));
  const urlOf = async () => (await server.call("files:url", { storageId })) as string;
  await measured("download", async (memory) => downloadLargeFile(await urlOf(), memory));
  await measured("export", async () => {
    const exported = await project.convex(["export", "--path", "large.zip", "--include-file-storage"], {
      timeoutMs: 3_600_000,
    });
    if (exported.code !== 0) throw new Error(exported.output);
  });
  const zipBytes = fs.statSync(path.join(project.folder, "large.zip")).size;
  console.log(`the ZIP file has ${(zipBytes / 1024 ** 2).toFixed(0)} MiB`);
  await server.call("files:remove", { storageId });
  await measured("import", async () => {
    const imported = await project.convex(["import", "-y", "large.zip"], { timeoutMs: 3_600_000 });
    if (imported.code !== 0) throw new Error(imported.output);
  });
  const length = await measured("download of what was imported", async (memory) =>
    downloadLargeFile(await urlOf(), memory),
  );
  if (length !== sizeBytes) throw new Error(`${length} bytes came back of ${sizeBytes}`);
} finally {
  await server.dispose();
}

async function measured<T>(what: string, run: (memory: ResidentMemory) => Promise<T>): Promise<T> {
  const memory = new ResidentMemory(server);
  const startedMs = performance.now();
  const looking = setInterval(() => memory.note(0), 200);
  const result = await run(memory);
  clearInterval(looking);
  const seconds = (performance.now() - startedMs) / 1000;
  const rate = sizeBytes / 1024 ** 2 / seconds;
  console.log(
    `${what}: ${seconds.toFixed(1)} s (${rate.toFixed(0)} MiB/s); server's memory ${memory.beforeMib.toFixed(0)} MiB before, ${memory.mostMib.toFixed(0)} MiB at most`,
  );
  return result;
}
