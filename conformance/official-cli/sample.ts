import { fileURLToPath } from "node:url";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";

export const sampleFolder = fileURLToPath(new URL("sample", import.meta.url));

/** Type checks take most of a push's time; the tests that are about them leave this out. */
export const noTypecheck = ["--typecheck", "disable"] as const;

/** A server with the sample project pushed to it by `convex dev --once`. */
export async function openSample(): Promise<{ server: TestServer; project: TestProject }> {
  const server = await TestServer.start();
  const project = TestProject.create(sampleFolder).connect(server);
  const { code, output } = await project.convex(["dev", "--once", ...noTypecheck]);
  if (code !== 0) throw new Error(`the sample could not be pushed:\n${output}`);
  return { server, project };
}
