import { ConvexClient } from "convex/browser";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { api } from "../../../../convex/_generated/api.js";
import { closeConvexClient, getConvexClient } from "../../../services/convex/index.ts";
import * as client from "../../../services/convex/client.ts";
import { convexBin, runFor } from "../../../../../../conformance/support/project.ts";
import { appFolder, repositoryFolder, startWatchServer } from "../../support/watchServer.ts";

let before: string | undefined;

beforeEach(() => {
  before = process.env["CONVEX_URL"];
});
afterEach(async () => {
  await closeConvexClient();
  if (before === undefined) delete process.env["CONVEX_URL"];
  else process.env["CONVEX_URL"] = before;
});

describe("getConvexClient", () => {
  it.each([undefined, ""])("says what to do when CONVEX_URL is %j", (url) => {
    if (url === undefined) delete process.env["CONVEX_URL"];
    else process.env["CONVEX_URL"] = url;
    expect(() => getConvexClient()).toThrow(new Error("CONVEX_URL not set. Run: bunx convex dev"));
    // It is not remembered as broken: once the variable is there, it works.
    process.env["CONVEX_URL"] = "http://127.0.0.1:9";
    expect(getConvexClient()).toBeInstanceOf(ConvexClient);
  });

  it("returns the same client every time", () => {
    process.env["CONVEX_URL"] = "http://127.0.0.1:9";
    const first = getConvexClient();
    process.env["CONVEX_URL"] = "http://127.0.0.1:10";
    expect(getConvexClient()).toBe(first);
  });

  it("makes a new one after the old one was closed", async () => {
    process.env["CONVEX_URL"] = "http://127.0.0.1:9";
    const first = getConvexClient();
    await closeConvexClient();
    expect(first.closed).toBe(true);
    expect(getConvexClient()).not.toBe(first);
  });

  it("is re-exported by the index of the folder", () => {
    expect(getConvexClient).toBe(client.getConvexClient);
  });

  it("connects without errors when CONVEX_URL is set, and hears of changes", async () => {
    const server = await startWatchServer();
    try {
      process.env["CONVEX_URL"] = server.url;
      const convex = getConvexClient();
      expect(await convex.query(api.prices.list, {})).toEqual([]);
      expect(convex.connectionState()).toMatchObject({ isWebSocketConnected: true, connectionRetries: 0 });

      const heard = Promise.withResolvers<string>();
      convex.onUpdate(api.messages.list, { limit: 5 }, ([message]) => {
        if (message !== undefined) heard.resolve(`${message.author}: ${message.content}`);
      });
      const user_id = await convex.mutation(api.users.signIn, { wallet_address: "0x01", username: "Ada" });
      await convex.mutation(api.messages.send, { user_id, content: "hello" });
      expect(await heard.promise).toBe("Ada: hello");
    } finally {
      await closeConvexClient();
      await server.dispose();
    }
  });
});

describe("the installation", () => {
  const hasBun = spawnSync("bun", ["--version"], { stdio: "ignore" }).status === 0;

  it.each([
    ["convex dev on Node", true, [process.execPath, convexBin]],
    ["bunx convex dev, where Bun is installed", hasBun, ["bunx", "convex"]],
  ])("starts %s: the schema syncs, CONVEX_URL is set", async (_, isThere, command) => {
    if (!isThere) {
      process.stderr.write("\n*** BUN NOT FOUND: `bunx convex dev` itself is not tested. ***\n");
      return;
    }
    const server = await startWatchServer();
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "watch-project-"));
    try {
      for (const part of ["convex", "package.json"])
        fs.cpSync(path.join(appFolder, part), path.join(folder, part), { recursive: true });
      fs.rmSync(path.join(folder, "convex/_generated"), { recursive: true });
      fs.symlinkSync(path.join(repositoryFolder, "node_modules"), path.join(folder, "node_modules"));
      const { stderr } = await runFor(server, folder, [...command, "dev", "--once"]);
      expect(stderr).toContain("Convex functions ready!");
      expect(fs.readFileSync(path.join(folder, ".env.local"), "utf8")).toContain(`CONVEX_URL=${server.url}`);
      // What is checked in is what `convex dev` generates.
      for (const file of ["api.d.ts", "api.js", "dataModel.d.ts", "server.d.ts", "server.js"])
        expect(fs.readFileSync(path.join(folder, "convex/_generated", file), "utf8")).toBe(
          fs.readFileSync(path.join(appFolder, "convex/_generated", file), "utf8"),
        );
    } finally {
      await server.dispose();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it("has the folders of the story", () => {
    const files = [
      "convex/schema.ts",
      "convex/tsconfig.json",
      "convex/_generated",
      "cli/services/convex/client.ts",
    ];
    for (const file of [...files, "cli/services/convex/index.ts", ".env.example"])
      expect(fs.existsSync(path.join(appFolder, file)), file).toBe(true);
  });

  it("has Convex 1.25 or newer", () => {
    const file = path.join(appFolder, "../../node_modules/convex/package.json");
    const { version } = JSON.parse(fs.readFileSync(file, "utf8")) as { version: string };
    const [major = 0, minor = 0] = version.split(".").map(Number);
    expect(major * 1_000 + minor).toBeGreaterThanOrEqual(1_025);
  });

  it("documents CONVEX_URL in .env.example", () => {
    const text = fs.readFileSync(path.join(appFolder, ".env.example"), "utf8");
    expect(text).toMatch(/^CONVEX_URL=/m);
    expect(text).toMatch(/auto-set by `convex dev`/i);
  });
});
