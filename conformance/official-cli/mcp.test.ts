import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ChildRun } from "../support/childRun.ts";
import { convexBin, type TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";
import { openSample } from "./sample.ts";

/**
 * `convex mcp` wants a login of Convex's cloud, whatever deployment it then talks to. This says that there is one, and
 * is asked for nothing else.
 */
class LoginStandIn {
  readonly asked: string[] = [];
  readonly #server = http.createServer((request, response) => {
    this.asked.push(`${request.method} ${request.url}`);
    response.setHeader("content-type", "application/json");
    response.end(request.method === "HEAD" ? "" : JSON.stringify({ optInsToAccept: [] }));
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** `npx convex mcp start` and a client at its stdin and stdout: JSON-RPC, a message in a line. */
class McpClient {
  readonly #run: ChildRun;
  #id = 0;

  constructor(run: ChildRun) {
    this.#run = run;
  }

  async request<T>(method: string, params: object): Promise<T> {
    const id = ++this.#id;
    this.#run.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    for (;;) {
      const line = (await this.#run.until("\n", 60_000)).trim();
      if (!line.startsWith("{")) continue;
      const message = JSON.parse(line) as { id?: number; result?: T; error?: unknown };
      if (message.id !== id) continue;
      if (message.result === undefined) throw new Error(`${method}: ${line}`);
      return message.result;
    }
  }

  async start(): Promise<void> {
    await this.request("initialize", {
      protocolVersion: "2025-03-26",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    });
    this.#run.write(`${JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })}\n`);
  }

  async call<T>(name: string, args: object): Promise<T> {
    type Answer = { content: [{ text: string }]; isError?: boolean };
    const { content, isError } = await this.request<Answer>("tools/call", { name, arguments: args });
    if (isError === true) throw new Error(content[0].text);
    return JSON.parse(content[0].text) as T;
  }
}

describe("convex mcp start", () => {
  const login = new LoginStandIn();
  let server: TestServer;
  let project: TestProject;
  let run: ChildRun;
  let mcp: McpClient;
  let deploymentSelector: string;

  beforeAll(async () => {
    ({ server, project } = await openSample());
    run = ChildRun.start(process.execPath, [convexBin, "mcp", "start"], {
      cwd: project.folder,
      env: project.environment({
        CONVEX_PROVISION_HOST: await login.start(),
        CONVEX_OVERRIDE_ACCESS_TOKEN: "a token",
      }),
      writable: true,
    });
    mcp = new McpClient(run);
    await mcp.start();
    const { availableDeployments } = await mcp.call<{
      availableDeployments: { deploymentSelector: string; url: string }[];
    }>("status", { projectDir: project.folder });
    expect(availableDeployments.map(({ url }) => url)).toEqual([server.url]);
    deploymentSelector = availableDeployments[0]!.deploymentSelector;
  }, 120_000);
  afterAll(async () => {
    await run.dispose();
    login.close();
    await server.dispose();
  });

  const call = <T>(name: string, args: object = {}) => mcp.call<T>(name, { deploymentSelector, ...args });

  it("lists its tools", async () => {
    const { tools } = await mcp.request<{ tools: { name: string }[] }>("tools/list", {});
    expect(tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["status", "data", "tables", "functionSpec", "run", "envSet", "runOneoffQuery"]),
    );
  });

  it("runs functions and reads tables", async () => {
    const ran = await call<{ result: string }>("run", {
      functionName: "users:create",
      args: JSON.stringify({ name: "Ann" }),
    });
    const { page } = await call<{ page: { _id: string; name: string }[] }>("data", {
      tableName: "users",
      order: "asc",
    });
    expect(page).toMatchObject([{ _id: ran.result, name: "Ann" }]);
    const { tables } = await call<{ tables: Record<string, { schema?: unknown; inferredSchema?: unknown }> }>(
      "tables",
    );
    expect(tables["users"]).toMatchObject({
      schema: expect.anything(),
      inferredSchema: {
        type: "Object",
        fields: expect.arrayContaining([{ fieldName: "name", optional: false, shape: { type: "String" } }]),
      },
    });
    const spec = await call<{ identifier: string }[]>("functionSpec");
    expect(JSON.stringify(spec)).toContain("users.js:create");
  });

  it("runs a query that is not deployed, and says what is wrong with one", async () => {
    const source = (body: string) => `import { query } from "convex:/_system/repl/wrappers.js";
export default query({ handler: async (ctx) => { ${body} } });`;
    const query = source('console.log("looking"); return (await ctx.db.query("users").collect()).length;');
    expect(await call("runOneoffQuery", { query })).toMatchObject({
      result: 1,
      logLines: [expect.stringContaining("looking")],
    });
    await expect(
      call("runOneoffQuery", { query: source('await ctx.db.insert("users", {});') }),
    ).rejects.toThrow();
  });

  it("reads logs, and reads and sets variables", async () => {
    const { entries } = await call<{ entries: string }>("logs");
    expect(JSON.stringify(entries)).toContain("[CONVEX Q(testQuery)] [LOG] 'looking'");
    await call("envSet", { name: "COLOUR", value: "blue" });
    expect(await call("envGet", { name: "COLOUR" })).toMatchObject({ value: "blue" });
    expect(JSON.stringify(await call("envList"))).toContain("COLOUR");
    await call("envRemove", { name: "COLOUR" });
    expect(await call("envGet", { name: "COLOUR" })).toMatchObject({ value: null });
  });

  it("asked the cloud for nothing but the login", () => {
    expect([...new Set(login.asked)].toSorted()).toEqual(["HEAD /api/authorize", "POST /api/check_opt_ins"]);
  });
});
