import { beforeAll, describe, expect, it } from "vitest";
import { formatFailure } from "./failure.ts";
import { formatLogLine } from "./logLines.ts";
import { Runner } from "./runner.ts";
import { bundleFolder, codeOf, recordingHost, request, testClock } from "./testBundle.ts";
import type { CodeVersion, RunOutcome } from "./types.ts";

const runner = new Runner({ clock: testClock() });
let code: CodeVersion;

const source = `
import { queryGeneric as query, mutationGeneric as mutation } from "convex/server";
const importRandom = Math.random();
const importNow = Date.now();
export const chance = query(async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  return [Math.random(), Math.random(), crypto.randomUUID(), [...bytes].join()];
});
export const imported = query(async () => [importRandom, importNow]);
export const time = query(async () => {
  const before = [Date.now(), new Date().getTime(), Date(), performance.now(), performance.timeOrigin];
  await new Promise((resolve) => resolve(null));
  return [...before, Date.now(), performance.now(), new Date(2020, 0, 1).toISOString(), new Date(5) instanceof Date, Date.length];
});
export const advancing = mutation(async () => {
  const first = performance.now();
  return performance.now() > first;
});
export const zone = query(async () => [new Date().getTimezoneOffset(), new Intl.DateTimeFormat("en-GB", { dateStyle: "short" }).format()]);
export const fetches = query(async () => { await fetch("https://example.com"); });
export const sleeps = query(async () => { setTimeout(() => {}, 5); return "returned"; });
export const intervals = query(async () => { setInterval(() => {}, 5); });
export const stream = query(async () => { new Response("x").body!.getReader(); });
export const generates = query(async () => { await crypto.subtle.generateKey("Ed25519", true, ["sign"]); });
export const imports = query(async () => { await import("./other"); });
export const wraps = query(async () => {
  try { await crypto.subtle.wrapKey("raw", {} as any, {} as any, "AES-KW"); } catch { return "caught"; }
});
export const requestGetter = query(async () => { return new Request("http://x/").cache; });
export const environment = query(async () => [process.env.KNOWN, process.env.MISSING ?? null, "KNOWN" in process.env, Object.keys(process.env), typeof (process as any).exit]);
export const badName = query(async () => process.env["a-b"]);
export const timers = query(async () => {
  console.time("t"); console.time("t"); console.timeLog("t", "x"); console.timeEnd("t"); console.timeEnd("t"); console.trace("here");
});
export const storage = query(async () => {
  const store = new AsyncLocalStorage();
  const seen: any[] = [];
  await Promise.all([
    store.run("a", async () => { await null; seen.push(store.getStore()); }),
    store.run("b", async () => { await null; await null; seen.push(store.getStore()); }),
  ]);
  return [...seen, store.getStore() ?? null];
});
`;

beforeAll(async () => {
  const modules = await bundleFolder({ "m.ts": source, "other.ts": "export const x = 1;" });
  code = codeOf(modules, { env: { KNOWN: "yes" } });
});

function run(name: string, seedByte = 1, kind: "query" | "mutation" = "query"): RunOutcome {
  return runner.run(request(code, `m:${name}`, { seed: new Uint8Array(32).fill(seedByte), kind }));
}
function value(outcome: RunOutcome): unknown {
  if (!outcome.ok) throw new Error(formatFailure(outcome.failure));
  return JSON.parse(outcome.resultJson);
}
function message(name: string): string {
  const outcome = run(name);
  return outcome.ok ? `ok ${outcome.resultJson}` : outcome.failure.message;
}
const refused = (what: string): string =>
  `Uncaught Error: Can't use ${what} in queries and mutations. Please consider using an action. ` +
  "See https://docs.convex.dev/functions/actions for more details.";

describe("determinism", () => {
  it("draws chance from the seed of the run", () => {
    const first = value(run("chance", 1));
    expect(value(run("chance", 1))).toEqual(first);
    expect(value(run("chance", 2))).not.toEqual(first);
    expect(first).toEqual([
      expect.any(Number),
      expect.any(Number),
      expect.stringMatching(/^[0-9a-f-]{36}$/),
      expect.any(String),
    ]);
  });

  it("freezes chance and time of the import", () => {
    const other = new Runner({ clock: testClock() });
    const first = value(run("imported", 1));
    expect((first as number[])[1]).toBe(1_600_000_000_000);
    expect(value(other.run(request(code, "m:imported", { seed: new Uint8Array(32).fill(9) })))).toEqual(
      first,
    );
  });

  it("freezes the date, and says when it was read", () => {
    const outcome = run("time");
    const now = 1_700_000_000_000;
    const text = "Tue Nov 14 2023 22:13:20 GMT+0000 (Coordinated Universal Time)";
    const elapsed = now - 1_600_000_000_000;
    expect(value(outcome)).toEqual([
      now,
      now,
      text,
      elapsed,
      1_600_000_000_000,
      now,
      elapsed,
      "2020-01-01T00:00:00.000Z",
      true,
      7,
    ]);
    expect(outcome.usedClock).toBe(true);
    expect(run("chance").usedClock).toBe(false);
    expect(value(run("advancing", 1, "mutation"))).toBe(true);
    expect(value(run("zone"))).toEqual([0, "14/11/2023"]);
  });

  it("refuses what needs the outside world", () => {
    expect(message("fetches")).toBe(refused("fetch()"));
    expect(message("sleeps")).toBe(refused("setTimeout"));
    expect(message("intervals")).toBe(refused("setInterval"));
    expect(message("stream")).toBe(refused("stream"));
    expect(message("generates")).toBe(refused("cryptographic randomness"));
    expect(message("imports")).toMatch(
      /^Uncaught Error: Can't dynamically import .*\.js in a query or mutation$/,
    );
  });

  it("ends the function at a stub, whatever it catches", () => {
    const advice =
      "Consider calling an action defined in Node.js instead (https://docs.convex.dev/functions/actions).";
    expect(message("wraps")).toBe(`Not implemented: wrapKey for SubtleCrypto. ${advice}`);
    expect(message("requestGetter")).toBe(`Not implemented: cache for Request. ${advice}`);
  });

  it("shows the environment and nothing else of the process", () => {
    expect(value(run("environment"))).toEqual(["yes", null, true, ["KNOWN"], "undefined"]);
    expect(message("badName")).toBe(
      "Uncaught Error: The environment variable name a-b is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.",
    );
  });

  it("times with the real clock on the console", () => {
    const host = recordingHost();
    value(runner.run(request(code, "m:timers", { host })));
    const lines = host.lines.map(formatLogLine);
    expect(lines[0]).toBe("[WARN] Timer 't' already exists");
    expect(lines[1]).toMatch(/^\[INFO\] t: 0\.5ms 'x'$/);
    expect(lines[2]).toMatch(/^\[INFO\] t: [\d.]+ms$/);
    expect(lines[3]).toBe("[WARN] Timer 't' does not exist");
    expect(lines[4]).toMatch(/^\[LOG\] 'here' {5}at .*m\.ts:\d+:\d+/);
  });

  it("keeps asynchronous storage apart", () => {
    expect(value(run("storage"))).toEqual(["a", "b", null]);
  });
});
