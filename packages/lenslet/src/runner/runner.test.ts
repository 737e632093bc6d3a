import { beforeAll, describe, expect, it } from "vitest";
import { badRequest, LensletError } from "../base/errors.ts";
import { formatFailure } from "./failure.ts";
import { formatLogLine } from "./logLines.ts";
import { Runner } from "./runner.ts";
import { bundleFolder, codeOf, recordingHost, request, testClock } from "./testBundle.ts";
import type { CodeVersion, RunOutcome } from "./types.ts";

const runner = new Runner({ clock: testClock() });
let code: CodeVersion;

const functions = `
import { queryGeneric as query, mutationGeneric as mutation, anyApi } from "convex/server";
import { ConvexError, v } from "convex/values";
import { helper } from "./shared";

export const get = query({
  args: { id: v.string() },
  handler: async (ctx, args) => {
    return await ctx.db.get(args.id as any);
  },
});
export const big = query(async (_ctx, args: any) => ({ doubled: args.n * 2n, bytes: args.b.byteLength }));
export const nothing = query(async () => {});
export const writeAndLeave = mutation(async (ctx) => {
  void ctx.db.insert("a", { n: 1 });
  void ctx.db.insert("a", { n: 2 }).then(() => ctx.db.insert("a", { n: 3 }));
  return "left";
});
export const order = mutation(async (ctx) => {
  const seen: string[] = [];
  const note = (p: Promise<any>, name: string) => p.then(() => { seen.push(name); });
  await Promise.all([
    note(ctx.db.insert("a", {}), "insert1"),
    note(ctx.db.get("x" as any), "get1"),
    note(ctx.db.get("y" as any), "get2"),
    note(ctx.db.insert("a", {}), "insert2"),
  ]);
  return seen;
});
export const unhandled = mutation(async (ctx) => {
  void (async () => { throw new TypeError("nobody listens"); })();
  await ctx.db.insert("a", {});
  return 1;
});
export const stops = mutation(async (ctx) => {
  void ctx.db.insert("a", { n: 1 });
  throw new Error("stop");
});
export const never = query(async () => { await new Promise(() => {}); });
export const boom = query({
  handler: async () => {
    await null;
    await outer();
  },
});
async function outer() {
  await null;
  helper("boom");
}
export const convexError = query(async () => { throw new ConvexError({ a: 1n, b: "x" }); });
export const convexErrorText = query(async () => { throw new ConvexError("told"); });
export const throwsString = query(async () => { throw "foo"; });
export const throwsObject = query(async () => { throw { a: 1 }; });
export const caught = mutation(async (ctx) => {
  try {
    await ctx.db.insert("bad", {});
  } catch (e: any) {
    return [e instanceof Error, e.message, e instanceof ConvexError ? e.data : null];
  }
});
export const uncaught = mutation({ handler: async (ctx) => { await ctx.db.insert("bad", {}); } });
export const rows = query(async (ctx) => {
  const found = [];
  for await (const row of ctx.db.query("a")) found.push(row.n);
  return found;
});
export const callsOther = mutation(async (ctx) => ctx.runQuery(anyApi.messages.get as any, { id: "z" }));
export const steps = query(async (ctx) => {
  // A synchronous syscall stands for time spent in user code: the runner does not leave it.
  ctx.db.normalizeId("a", "x");
  await ctx.db.get("x" as any);
  ctx.db.normalizeId("a", "x");
});
export const plain = 3;
export const logs = query(async () => {
  console.log("a", 1, { b: [true, null, undefined], "odd key": 2n });
  console.warn(new Map([["k", new Set([1])]]), [1, , 2]);
  const loop: any = { name: "it's" };
  loop.self = loop;
  console.error(loop, class A {}, function f() {}, Symbol("s"));
  console.debug(Object.create(null), new (class Point { x = 1; })(), new Date(0));
  console.info("x".repeat(40000));
});
`;
const shared = `
export function helper(text: string) {
  throw new Error(text);
}
`;

beforeAll(async () => {
  const modules = await bundleFolder({ "messages.ts": functions, "shared.ts": shared });
  code = codeOf(modules);
});

function value(outcome: RunOutcome): unknown {
  if (!outcome.ok) throw new Error(formatFailure(outcome.failure));
  return JSON.parse(outcome.resultJson);
}
function failure(outcome: RunOutcome): string {
  if (outcome.ok) throw new Error(`expected a failure, got ${outcome.resultJson}`);
  return formatFailure(outcome.failure);
}

describe("running a bundled function", () => {
  it("answers ctx.db.get through the host", () => {
    const host = recordingHost(() => ({ _id: "k1", text: "hi" }));
    const outcome = runner.run(request(code, "messages:get", { argsJson: '[{"id":"k1"}]', host }));
    expect(value(outcome)).toEqual({ _id: "k1", text: "hi" });
    expect(host.calls).toMatchObject([{ op: "1.0/get", args: { id: "k1", isSystem: false } }]);
    expect(outcome.usedClock).toBe(false);
  });

  it("decodes arguments and encodes results as the package does", () => {
    const argsJson = '[{"n":{"$integer":"BQAAAAAAAAA="},"b":{"$bytes":"AAAA"}}]';
    const outcome = runner.run(request(code, "messages:big", { argsJson }));
    expect(value(outcome)).toEqual({ doubled: { $integer: "CgAAAAAAAAA=" }, bytes: 3 });
    expect(value(runner.run(request(code, "messages:nothing")))).toBe(null);
  });

  it("runs writes that nobody awaits, also those started by others", () => {
    const host = recordingHost(() => ({ _id: "i" }));
    const outcome = runner.run(request(code, "messages:writeAndLeave", { kind: "mutation", host }));
    expect(value(outcome)).toBe("left");
    expect(host.calls.map((call) => (call.args["value"] as { n: number }).n)).toEqual([1, 2, 3]);
  });

  it("serves syscalls and delivers results in call order", () => {
    const host = recordingHost((op) => (op === "1.0/insert" ? { _id: "i" } : null));
    const outcome = runner.run(request(code, "messages:order", { kind: "mutation", host }));
    expect(value(outcome)).toEqual(["insert1", "get1", "get2", "insert2"]);
    expect(host.calls.map((call) => call.op)).toEqual(["1.0/insert", "1.0/get", "1.0/get", "1.0/insert"]);
  });

  it("iterates a query through synchronous and asynchronous syscalls", () => {
    let left = 3;
    const host = recordingHost((op) => {
      if (op === "1.0/queryStream") return { queryId: 0 };
      if (op === "1.0/queryStreamNext")
        return left === 0 ? { value: null, done: true } : { value: { n: left-- }, done: false };
      return true;
    });
    expect(value(runner.run(request(code, "messages:rows", { host })))).toEqual([3, 2, 1]);
    expect(host.calls.at(-1)?.op).toBe("1.0/queryCleanup");
  });

  it("takes another context for a nested call", () => {
    const inner = recordingHost(() => ({ _id: "z" }));
    const host = recordingHost();
    host.asyncSyscall = (_op, args) => {
      const call = JSON.parse(args) as { args: unknown };
      const outcome = runner.run(
        request(code, "messages:get", { argsJson: JSON.stringify([call.args]), host: inner }),
      );
      if (!outcome.ok) throw badRequest("x", formatFailure(outcome.failure));
      return outcome.resultJson;
    };
    const outcome = runner.run(request(code, "messages:callsOther", { kind: "mutation", host }));
    expect(value(outcome)).toEqual({ _id: "z" });
  });
});

describe("failures", () => {
  it("maps frames to the TypeScript source and drops the package's", () => {
    expect(failure(runner.run(request(code, "messages:boom")))).toBe(
      [
        "Uncaught Error: boom",
        "    at helper (../../convex/shared.ts:3:8)",
        "    at outer (../convex/messages.ts:48:2)",
        "    at async handler (../convex/messages.ts:43:4)",
        "",
      ].join("\n"),
    );
  });

  it("fails a run on an unhandled rejection, before later syscalls", () => {
    const host = recordingHost();
    const outcome = runner.run(request(code, "messages:unhandled", { kind: "mutation", host }));
    expect(failure(outcome)).toMatch(/^Uncaught TypeError: nobody listens\n {4}at .*messages\.ts/);
    expect(host.calls).toEqual([]);
  });

  it("stops at the main rejection without running queued syscalls", () => {
    const host = recordingHost();
    const outcome = runner.run(request(code, "messages:stops", { kind: "mutation", host }));
    expect(failure(outcome)).toMatch(/^Uncaught Error: stop\n/);
    expect(host.calls).toEqual([]);
  });

  it("tells promises that cannot settle", () => {
    expect(failure(runner.run(request(code, "messages:never")))).toBe(
      "Returned promise will never resolve\n",
    );
  });

  it("carries ConvexError data", () => {
    const outcome = runner.run(request(code, "messages:convexError"));
    expect(failure(outcome)).toMatch(/^Uncaught ConvexError: \{"a":"1n?","b":"x"\}|^Uncaught ConvexError: /);
    expect(!outcome.ok && outcome.failure.dataJson).toBe('{"a":{"$integer":"AQAAAAAAAAA="},"b":"x"}');
    const text = runner.run(request(code, "messages:convexErrorText"));
    expect(failure(text)).toMatch(/^Uncaught ConvexError: told\n/);
    expect(!text.ok && text.failure.dataJson).toBe('"told"');
  });

  it("prints thrown values that are no errors", () => {
    expect(failure(runner.run(request(code, "messages:throwsString")))).toBe("Uncaught foo\n");
    expect(failure(runner.run(request(code, "messages:throwsObject")))).toBe("Uncaught #<Object>\n");
  });

  it("raises developer errors of the host inside user code, with data as ConvexError", () => {
    const host = recordingHost(() => {
      throw badRequest("Bad", "no such table", { told: "you" });
    });
    const outcome = runner.run(request(code, "messages:caught", { kind: "mutation", host }));
    expect(value(outcome)).toEqual([true, "no such table", { told: "you" }]);
    const plain = recordingHost(() => {
      throw badRequest("Bad", "no such table");
    });
    const uncaught = runner.run(request(code, "messages:uncaught", { kind: "mutation", host: plain }));
    expect(failure(uncaught)).toMatch(
      /^Uncaught Error: no such table\n {4}at async handler \(.*messages\.ts/,
    );
  });

  it("aborts on any other error of the host", () => {
    const overloaded = new LensletError("Overloaded", "Busy", "too busy");
    const host = recordingHost(() => {
      throw overloaded;
    });
    expect(() => runner.run(request(code, "messages:caught", { kind: "mutation", host }))).toThrow(
      overloaded,
    );
    const later = runner.run(request(code, "messages:nothing"));
    expect(value(later)).toBe(null);
  });

  it("tells missing modules, missing exports and what is no function", () => {
    expect(failure(runner.run(request(code, "none:get")))).toBe(
      "Couldn't find JavaScript module 'none.js'. Did you forget to run `npx convex dev`?\n",
    );
    expect(failure(runner.run(request(code, "messages:none")))).toBe(
      `Couldn't find "none" in module "messages.js".\n`,
    );
    expect(failure(runner.run(request(code, "messages:plain")))).toBe(
      "Function messages.js:plain is neither a query or mutation. Did you forget to wrap it with `query` or `mutation`?\n",
    );
  });
});

describe("time", () => {
  it("counts user code, not the host, warns near the limit and fails above it", () => {
    let now = 0;
    const slow = new Runner({ clock: { nowMs: () => now, monotonicMs: () => now } });
    const run = (userMs: number, hostMs: number): { outcome: RunOutcome; lines: string[] } => {
      const host = recordingHost(() => {
        now += hostMs;
        return null;
      });
      host.syscall = () => {
        now += userMs;
        return '{"id":null}';
      };
      const outcome = slow.run(request(code, "messages:steps", { host }));
      return { outcome, lines: host.lines.map(formatLogLine) };
    };
    expect(run(300, 5000)).toMatchObject({ outcome: { ok: true }, lines: [] });
    expect(run(450, 0)).toMatchObject({
      outcome: { ok: true },
      lines: ["[WARN] Function execution took a long time. (maximum duration: 1s, actual duration: 900ms)."],
    });
    expect(failure(run(600, 0).outcome)).toBe("Function execution timed out (maximum duration: 1s)\n");
  });

  it("does not count, up to a point, what passes while the machine runs something else", () => {
    let [now, computed] = [0, 0];
    const starved = new Runner({
      clock: { nowMs: () => now, monotonicMs: () => now, cpuMs: () => computed },
    });
    const run = (passedMs: number, computedMs: number): RunOutcome => {
      const host = recordingHost(() => null);
      host.syscall = () => {
        now += passedMs;
        computed += computedMs;
        return '{"id":null}';
      };
      return starved.run(request(code, "messages:steps", { host }));
    };
    expect(run(4900, 450)).toMatchObject({ ok: true });
    expect(failure(run(4900, 600))).toBe("Function execution timed out (maximum duration: 1s)\n");
    expect(failure(run(5100, 0))).toBe("Function execution timed out (maximum duration: 1s)\n");
  });
});

describe("console", () => {
  it("renders arguments one by one and cuts long lines", () => {
    const host = recordingHost();
    value(runner.run(request(code, "messages:logs", { host })));
    const lines = host.lines.map(formatLogLine);
    expect(lines.slice(0, 4)).toEqual([
      "[LOG] 'a' 1 { b: [ true, null, undefined ], 'odd key': 2n }",
      "[WARN] Map (1) {'k' => Set (1) {1}} [ 1, , 2 ]",
      "[ERROR] { name: 'it\\'s', self: [Circular] } [Function: A] [Function: f] Symbol(s)",
      "[DEBUG] [Object: null prototype] {} Point { x: 1 } Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
    ]);
    expect(host.lines[4]?.isTruncated).toBe(true);
    expect(lines[4]).toHaveLength("[INFO] ".length + 32768 + " (truncated due to length)".length);
  });
});
