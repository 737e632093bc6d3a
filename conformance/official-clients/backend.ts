import { fileURLToPath } from "node:url";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { Issuer } from "./issuer.ts";

export interface Backend {
  readonly server: TestServer;
  readonly issuer: Issuer;
}

/** A live server with the app of `app/` pushed by the official CLI, and an issuer it trusts. */
export async function startBackend(): Promise<Backend> {
  const issuer = await Issuer.create();
  const server = await TestServer.start();
  try {
    await setVariables(server, { AUTH_ISSUER: issuer.url, AUTH_JWKS: issuer.jwksUrl });
    const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
    const pushed = await project.convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
    if (pushed.code !== 0) throw new Error(`the push failed: ${pushed.output}`);
    return { server, issuer };
  } catch (error) {
    await server.dispose();
    throw error;
  }
}

/** What `convex env set` sends. */
async function setVariables(server: TestServer, variables: Readonly<Record<string, string>>): Promise<void> {
  const changes = Object.entries(variables).map(([name, value]) => ({ name, value }));
  const response = await fetch(`${server.url}/api/update_environment_variables`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Convex ${server.adminKey}` },
    body: JSON.stringify({ changes }),
  });
  if (!response.ok) throw new Error(`setting variables failed: ${response.status} ${await response.text()}`);
}
