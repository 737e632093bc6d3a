import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExecutionLogEntry } from "../engine/api.ts";
import { executionsMax, LogStream } from "./functionLogs.ts";
import { asAdmin, FakeTime, TestServer } from "./testSupport.ts";

function line(text: string) {
  return { messages: [`'${text}'`, "1"], level: "LOG", timestamp: 1_700_000_000_000, isTruncated: false };
}

function completion(fields: { readonly [field: string]: unknown } = {}): ExecutionLogEntry {
  return {
    kind: "Completion",
    udfType: "Query",
    identifier: "a:b",
    logLines: [],
    timestamp: 1_700_000_000,
    requestId: "r",
    executionId: "e",
    parentExecutionId: null,
    ...fields,
  };
}

function progress(fields: { readonly [field: string]: unknown }): ExecutionLogEntry {
  return { ...completion({ udfType: "Action", ...fields }), kind: "Progress" };
}

describe("LogStream", () => {
  it("gives every entry its own growing cursor, also within one moment", () => {
    const time = new FakeTime();
    const stream = new LogStream({ clock: time, timers: time });
    for (let batch = 0; batch < 3; batch++) {
      stream.append([completion(), completion()]);
      time.advance(batch);
    }
    const { entries, newCursor } = stream.read(0);
    const cursors = entries.map((entry) => entry.cursor);
    expect(new Set(cursors).size).toBe(6);
    expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
    expect(newCursor).toBe(cursors.at(-1));
    for (const [index, cursor] of cursors.entries()) {
      expect(stream.read(cursor).entries.length).toBe(5 - index);
      expect(JSON.parse(JSON.stringify(cursor))).toBe(cursor);
    }
  });

  it("keeps the latest executions only, and few bytes of lines", () => {
    const time = new FakeTime();
    const stream = new LogStream({ clock: time, timers: time });
    for (let index = 0; index < 7 * executionsMax; index++)
      stream.append([completion({ executionId: `e${index}` })]);
    const kept = stream.read(0).entries;
    expect(kept.length).toBe(executionsMax);
    expect(kept[0]?.entry["executionId"]).toBe(`e${6 * executionsMax}`);
    const long = completion({ logLines: [{ ...line(""), messages: ["x".repeat(20 * 1024 * 1024)] }] });
    stream.append([long, long, long, long]);
    expect(stream.read(0).entries.length).toBe(3);
  });

  it("keeps its bound on progress entries that never complete", () => {
    const time = new FakeTime();
    const stream = new LogStream({ clock: time, timers: time });
    for (let index = 0; index < 6000; index++) stream.append([progress({ executionId: `e${index}` })]);
    expect(stream.read(0).entries.length).toBe(5000);
  });

  it("reports an action's lines while it runs and all of them for its completion", () => {
    const time = new FakeTime();
    const stream = new LogStream({ clock: time, timers: time });
    stream.append([progress({ executionId: "x", logLines: [line("1")] })]);
    stream.append([progress({ executionId: "x", logLines: [line("2")] })]);
    stream.append([completion({ executionId: "x", udfType: "Action" })]);
    const { entries } = stream.read(0);
    expect(entries.map((entry) => entry.lines)).toEqual([[line("1")], [line("2")], []]);
    expect(entries[2]?.allLines).toEqual([line("1"), line("2")]);
    stream.append([completion({ executionId: "y", udfType: "HttpAction", logLines: [line("3")] })]);
    const later = stream.read(entries[2]?.cursor ?? 0).entries;
    expect(later.map((entry) => [entry.entry.kind, entry.lines])).toEqual([
      ["Progress", [line("3")]],
      ["Completion", []],
    ]);
  });

  it("waits for news, gives up in time and fails at the end", async () => {
    const time = new FakeTime();
    const stream = new LogStream({ clock: time, timers: time });
    // The first answer, which the CLI does not show, must not wait for the first call and swallow it.
    const start = await stream.next(0, 60_000, () => {});
    expect(start.entries).toEqual([]);
    const news = stream.next(start.newCursor, 60_000, () => {});
    stream.append([completion()]);
    const { newCursor, entries } = await news;
    expect(entries.length).toBe(1);
    const nothing = stream.next(newCursor, 60_000, () => {});
    time.advance(60_000);
    expect(await nothing).toEqual({ entries: [], newCursor });
    const ended = stream.next(newCursor, 60_000, () => {});
    stream.close();
    await expect(ended).rejects.toMatchObject({ status: 500 });
    await expect(stream.next(0, 1, () => {})).rejects.toMatchObject({ status: 500 });
    expect(time.pendingTimers).toBe(0);
  });
});

describe("log endpoints", () => {
  const server = new TestServer();
  const { logStream, time } = server;
  const sessionId = "0F8FAD5B-D9CB-469F-A165-70867728950E";
  const derived = createHash("sha256").update(`${sessionId.toLowerCase()}|7`).digest("hex").slice(0, 16);
  beforeAll(async () => {
    await server.open();
    logStream.append([
      completion({ executionId: "1", logLines: [line("one")] }),
      progress({ executionId: "2", logLines: [{ ...line("two"), isTruncated: true }] }),
      completion({ executionId: "2", udfType: "Action" }),
      completion({ executionId: "3", requestId: derived }),
      completion({ executionId: "4", requestId: derived, parentExecutionId: "3" }),
    ]);
  });
  afterAll(() => server.close());

  async function poll(path: string, client = "npm-cli-1.48.0") {
    const answer = await server.send(path, { headers: { ...asAdmin, "convex-client": client } });
    return answer.json() as {
      entries: { executionId: string; kind: string; logLines: unknown[] }[];
      newCursor: number;
    };
  }

  it.each(["/api/", "/api/app_metrics/"])("streams under %s", async (prefix) => {
    const { entries, newCursor } = await poll(`${prefix}stream_function_logs?cursor=0`);
    expect(entries.map((entry) => [entry.kind, entry.executionId, entry.logLines])).toEqual([
      ["Completion", "1", [line("one")]],
      ["Progress", "2", [{ ...line("two"), isTruncated: true }]],
      ["Completion", "2", []],
      ["Completion", "3", []],
      ["Completion", "4", []],
    ]);
    expect(newCursor).toBe(logStream.read(0).newCursor);
    const legacy = await poll(`${prefix}stream_udf_execution?cursor=0`);
    expect(legacy.entries.map((entry) => entry.logLines)).toEqual([
      ["[LOG] 'one' 1"],
      ["[LOG] 'two' 1 (truncated due to length)"],
      [],
      [],
    ]);
  });

  it("sends plain lines to other clients", async () => {
    const { entries } = await poll("/api/stream_function_logs?cursor=0", "npm-1.48.0");
    expect(entries[0]?.logLines).toEqual(["[LOG] 'one' 1"]);
  });

  it("filters by session and counter without holding the cursor back", async () => {
    const { entries, newCursor } = await poll(
      `/api/stream_function_logs?cursor=0&sessionId=${sessionId}&clientRequestCounter=7`,
    );
    expect(entries.map((entry) => entry.executionId)).toEqual(["3"]);
    expect(newCursor).toBe(logStream.read(0).newCursor);
    const other = await poll(
      `/api/stream_function_logs?cursor=0&sessionId=${sessionId}&clientRequestCounter=8`,
    );
    expect([other.entries, other.newCursor]).toEqual([[], newCursor]);
  });

  it("polls long and forgets clients that left", async () => {
    const { newCursor } = logStream.read(0);
    const idle = poll(`/api/stream_function_logs?cursor=${newCursor}`);
    await expect.poll(() => time.pendingTimers).toBe(2);
    time.advance(60_000);
    expect(await idle).toEqual({ entries: [], newCursor });
    const socket = connect(server.port, "127.0.0.1");
    const auth = asAdmin["authorization"] ?? "";
    socket.write(
      `GET /api/stream_function_logs?cursor=${newCursor} HTTP/1.1\r\nHost: x\r\nAuthorization: ${auth}\r\n\r\n`,
    );
    await expect.poll(() => time.pendingTimers).toBe(2);
    socket.destroy();
    await expect.poll(() => time.pendingTimers).toBe(0);
    const news = poll(`/api/stream_function_logs?cursor=${newCursor}`);
    await expect.poll(() => time.pendingTimers).toBe(2);
    logStream.append([completion({ executionId: "5" })]);
    expect((await news).entries.map((entry) => entry.executionId)).toEqual(["5"]);
  });

  it.each([
    "",
    "?cursor=",
    "?cursor=x",
    "?cursor=Infinity",
    "?cursor=0&sessionId=x&clientRequestCounter=1",
    "?cursor=0&clientRequestCounter=1",
    `?cursor=0&sessionId=${sessionId}`,
  ])("refuses the query string %j", async (queryString) => {
    const answer = await server.send(`/api/stream_function_logs${queryString}`, { headers: asAdmin });
    expect([answer.status, answer.json()["code"]]).toEqual([400, "BadQueryArgs"]);
  });
});
