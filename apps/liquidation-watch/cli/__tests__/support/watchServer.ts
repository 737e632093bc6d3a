import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { pushApp } from "../../../../../conformance/support/project.ts";
import { TestServer } from "../../../../../conformance/support/server.ts";

export const appFolder = fileURLToPath(new URL("../../..", import.meta.url));
export const repositoryFolder = path.join(appFolder, "../..");
export const feedKey = "key-of-the-tests";

/** A real server with the app pushed by the official CLI. */
export async function startWatchServer(): Promise<TestServer> {
  const server = await TestServer.start();
  try {
    await pushApp(server, appFolder);
    await server.updateEnvironment({ FEED_KEY: feedKey });
    return server;
  } catch (error) {
    await server.dispose();
    throw error;
  }
}

export function clientOf({ url }: { readonly url: string }): ConvexHttpClient {
  return new ConvexHttpClient(url, { logger: false });
}
