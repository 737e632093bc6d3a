import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../../convex/_generated/api.js";
import { batchOf } from "../feeder/feeder.ts";
import { SyntheticMarket } from "../feeder/syntheticMarket.ts";
import { eventually } from "../../../../conformance/support/until.ts";
import { Program } from "./support/programs.ts";
import type { TestServer } from "../../../../conformance/support/server.ts";
import { clientOf, feedKey, startWatchServer } from "./support/watchServer.ts";

// The program without a terminal: lines of text and of JSON, one per event; and the feeder's program.

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "watch-pipe-"));
let server: TestServer;
const programs: Program[] = [];

beforeAll(async () => {
  server = await startWatchServer();
});
afterAll(async () => {
  for (const program of programs) program.child.kill("SIGKILL");
  await server?.dispose();
  fs.rmSync(folder, { recursive: true, force: true });
});

function start(script: string, ...args: readonly string[]): Program {
  const env = { CONVEX_URL: server.url, FEED_KEY: feedKey, XDG_CONFIG_HOME: folder };
  const program = new Program([script, ...args], env);
  programs.push(program);
  return program;
}

/** Writes as many events as fit into one batch; returns the hashes of the liquidations. */
async function ingest(market: SyntheticMarket, count: number): Promise<string[]> {
  const batch = batchOf(
    Array.from({ length: count }, () => market.next()),
    Date.now(),
  );
  await clientOf(server).mutation(api.feed.ingest, { key: feedKey, ...batch });
  return batch.liquidations.map((one) => one.tx_hash);
}

type Line = Record<string, unknown>;
const parsed = (program: Program) => program.lines.map((line) => JSON.parse(line) as Line);
const hashesOf = (program: Program) =>
  parsed(program).flatMap((line) => (line["type"] === "liquidation" ? [line["tx_hash"]] : []));

describe("lines", () => {
  it("prints every liquidation once and in order, however many come at once", async () => {
    const market = new SyntheticMarket(1);
    const before = await ingest(market, 300);
    const program = start("cli/main.ts", "--json", "--last", "5", "--prices", "0");
    await eventually(() => program.lines.length >= 5);
    const expected = before.slice(-5);
    for (let batch = 0; batch < 40; batch++) expected.push(...(await ingest(market, 500)));
    await eventually(() => program.lines.length >= expected.length);
    expect(await program.end("SIGINT")).toBe(0);
    expect(hashesOf(program)).toEqual(expected);
    expect(program.stderr).toMatch(/"status":"live"/);
  });

  it("waits for a slow reader and leaves out nothing", async () => {
    const market = new SyntheticMarket(2);
    const program = start("cli/main.ts", "--json", "--last", "0", "--prices", "0");
    await eventually(() => program.stderr.includes("live"));
    await ingest(market, 200);
    await eventually(() => program.lines.length > 0);
    const known = program.lines.length;
    // The reader sleeps while more comes than a pipe holds (64 KiB).
    program.child.stdout?.pause();
    const expected: string[] = [];
    for (let batch = 0; batch < 60; batch++) expected.push(...(await ingest(market, 500)));
    expect(expected.length * 300).toBeGreaterThan(4 * 65_536);
    program.child.stdout?.resume();
    await eventually(() => program.lines.length >= known + expected.length);
    await program.end("SIGTERM");
    expect(hashesOf(program).slice(known)).toEqual(expected);
  });

  it("prints text for people: liquidations, prices, chat", async () => {
    const program = start("cli/main.ts", "--last", "0", "--prices", "1");
    await eventually(() => / PRICE BTC +\$[\d,.]+ +[+-][\d.]+%/.test(program.stdout));
    const client = clientOf(server);
    const user_id = await client.mutation(api.users.signIn, { wallet_address: "0xpipe", username: "Pipe" });
    await client.mutation(api.messages.send, { user_id, content: "hello lines" });
    await ingest(new SyntheticMarket(3), 300);
    await eventually(
      () => / CHAT {2}Pipe: hello lines$/m.test(program.stdout) && program.stdout.includes(" LIQ "),
    );
    await program.end("SIGINT");
    for (const line of program.lines)
      expect(line).toMatch(
        /^\d{4}-\d\d-\d\dT[\d:.]+Z (LIQ {3}[A-Z]+ +\$[\d,.]+ +[\d.]+ 0x[0-9a-f]{40} tx=0x[0-9a-f]{64}|PRICE [A-Z]+ +\$[\d,.]+ +[+-][\d.]+%|CHAT {2}.+)$/,
      );
    // No colours, no cursor movements.
    expect(program.stdout).not.toContain("\u001b");
  });

  it("filters by symbol and size", async () => {
    const program = start(
      "cli/main.ts",
      "--json",
      "--last",
      "0",
      "--prices",
      "0",
      "--symbol",
      "eth",
      "--min-usd",
      "20000",
    );
    await eventually(() => program.stderr.includes("live"));
    const market = new SyntheticMarket(4);
    await eventually(async () => {
      await ingest(market, 500);
      return program.lines.length >= 10;
    });
    await program.end("SIGINT");
    for (const line of parsed(program)) {
      expect(line["collateral_type"]).toBe("ETH");
      expect(line["usd_value"]).toBeGreaterThanOrEqual(20_000);
    }
  });

  it("ends quietly when nobody reads any more", async () => {
    const program = start("cli/main.ts", "--last", "5");
    await eventually(() => program.lines.length > 0);
    program.child.stdout?.destroy();
    await ingest(new SyntheticMarket(5), 300);
    await ingest(new SyntheticMarket(6), 300);
    expect(await program.end()).toBe(0);
    expect(program.stderr).not.toMatch(/EPIPE|Error/);
  });

  it("ends by itself after --seconds", async () => {
    const program = start("cli/main.ts", "--seconds", "0.2");
    expect(await program.end()).toBe(0);
  });

  it.each([
    [["--help"], 0, /Usage: npm run watch/],
    [["--nonsense"], 2, /Unknown option '--nonsense'[^]*Usage:/],
    [["--min-usd", "much"], 2, /--min-usd: a number from 0 .* not "much"/],
    [["--last", "201"], 2, /--last: a number from 0 to 200/],
  ])("says what is meant with %j", async (args, code, text) => {
    const program = start("cli/main.ts", ...args);
    expect(await program.end()).toBe(code);
    expect(program.stdout + program.stderr).toMatch(text);
    expect(program.stderr).not.toContain("    at ");
  });
});

describe("the feeder's program", () => {
  it("replays a recording made with --json, and makes agents speak", async () => {
    const recorder = start("cli/main.ts", "--json", "--last", "50");
    await eventually(() => recorder.stdout.includes('"liquidation"') && recorder.stdout.includes('"price"'));
    await recorder.end("SIGINT");
    const file = path.join(folder, "recording.jsonl");
    fs.writeFileSync(file, recorder.stdout);
    const start_ = await clientOf(server).query(api.liquidations.newest, {});
    const feeder = start("cli/feed.ts", "--rate", "500", "--file", file);
    await eventually(async () => (await clientOf(server).query(api.liquidations.newest, {})) > start_);
    await eventually(async () =>
      (await clientOf(server).query(api.messages.list, { limit: 50 })).some((message) => message.is_agent),
    );
    expect(await feeder.end("SIGINT")).toBe(0);
    const counts = /feed: (\d+) of (\d+) events taken .* 0 in flight/.exec(
      feeder.stderr.split("\n").at(-2) ?? "",
    );
    // Everything it has taken has been delivered when it ends.
    expect(counts?.[1]).toBe(counts?.[2]);
    const replayed = await clientOf(server).query(api.liquidations.since, { after: start_, limit: 500 });
    const recorded = new Set(hashesOf(recorder));
    expect(replayed.length).toBeGreaterThan(0);
    for (const one of replayed) expect(recorded).toContain(one.tx_hash);
  });

  it.each([
    [["--rate", "0"], {}, 2, /--rate: a number from 1 to 5000 is needed, not "0"/],
    [["--rate", "5001"], {}, 2, /--rate: a number from 1 to 5000/],
    [["--file", "/nowhere"], {}, 1, /The recording cannot be read: ENOENT/],
    [[], { FEED_KEY: " " }, 1, /FEED_KEY not set\. Give the deployment one/],
    [[], { FEED_KEY: "wrong" }, 1, /^Wrong feed key\./m],
    [[], { CONVEX_URL: "" }, 1, /^CONVEX_URL not set\. Run: bunx convex dev$/m],
  ])("says what is wrong with %j %j", async (args, env, code, text) => {
    const program = new Program(["cli/feed.ts", ...args], {
      CONVEX_URL: server.url,
      FEED_KEY: feedKey,
      ...env,
    });
    programs.push(program);
    expect(await program.end()).toBe(code);
    expect(program.stderr).toMatch(text);
    expect(program.stderr).not.toContain("    at ");
  });
});
