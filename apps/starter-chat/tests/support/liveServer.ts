import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { pushApp } from "../../../../conformance/support/project.ts";
import { TestServer } from "../../../../conformance/support/server.ts";
import { api } from "../../convex/_generated/api.js";

export const appFolder = fileURLToPath(new URL("../..", import.meta.url));

/** A real server with the app's functions, and a development issuer that signs anybody in. */
export class LiveServer {
  readonly server: TestServer;

  private constructor(server: TestServer) {
    this.server = server;
  }

  static async startWithApp(): Promise<LiveServer> {
    const server = await TestServer.start({ command: "dev" });
    try {
      await pushApp(server, appFolder);
      return new LiveServer(server);
    } catch (error) {
      await server.dispose();
      throw error;
    }
  }

  get url(): string {
    return this.server.url;
  }

  async close(): Promise<void> {
    await this.server.dispose();
  }

  /** A client of somebody who has signed in and, unless told otherwise, has an account. */
  async client(
    name: string,
    options: { email?: string; hasAccount?: boolean } = {},
  ): Promise<ConvexHttpClient> {
    const email = options.email ?? `${name.toLowerCase().replace(/\W+/g, ".")}@example.com`;
    const response = await fetch(`${this.url}/lenslet/dev-issuer/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, email }),
    });
    if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
    const client = this.anonymous();
    client.setAuth(((await response.json()) as { token: string }).token);
    if (options.hasAccount !== false)
      await client.mutation(api.functions.mutations.users.createUser, { name });
    return client;
  }

  anonymous(): ConvexHttpClient {
    return new ConvexHttpClient(this.url);
  }
}
