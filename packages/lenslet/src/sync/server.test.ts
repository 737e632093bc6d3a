import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { decodeU64, encodeU64 } from "../protocol/sync.ts";
import { FakeConvexError } from "./fakeEngine.ts";
import { add, RawClient, remove, startRig, type Message, type Rig } from "./testClient.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
  defineFunctions(rig);
});
afterEach(() => rig.close());

function defineFunctions({ engine }: Rig): void {
  engine.functions.set("m:get", (data, { args }) => data[String(args["key"])] ?? null);
  engine.functions.set("m:set", (data, { args }) => {
    data[String(args["key"])] = args["value"];
    return "was set";
  });
  engine.functions.set("m:who", (_, { identity }) =>
    identity.kind === "user" ? identity.attributes.tokenIdentifier : JSON.stringify(identity),
  );
  engine.functions.set("m:fail", (_, { args }) => {
    throw "data" in args ? new FakeConvexError(args["data"]) : new Error("boom");
  });
  engine.functions.set("m:log", (data, { log }) => {
    log(`[LOG] '${String(data["line"])}'`);
    return 1;
  });
  engine.functions.set("m:page", (data, { journal, writeJournal }) => {
    const end = journal ?? String(data["end"]);
    writeJournal(end);
    return end;
  });
}

async function subscribed(queries: readonly Message[]): Promise<RawClient> {
  const client = await RawClient.open(rig);
  client.connect();
  client.modify(0, ...queries);
  await client.until(() => client.version.querySet === 1);
  return client;
}
const tick = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

describe("the handshake", () => {
  async function refusal(path: string, headers: Record<string, string> = {}) {
    const client = new RawClient(rig.url, path, headers);
    const [, response] = await once(client.ws, "unexpected-response");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, ...JSON.parse(Buffer.concat(chunks).toString()) };
  }

  it("refuses what is no version", async () => {
    expect(await refusal("/api/latest/sync")).toMatchObject({ status: 400, code: "InvalidVersion" });
    expect(await refusal("/api/0.19.1/sync")).toMatchObject({
      status: 400,
      code: "ClientVersionUnsupported",
    });
    expect(await refusal("/api/sync", { "convex-client": "python" })).toMatchObject({
      code: "InvalidClientVersion",
    });
    expect(await refusal("/api/1.48.0/sync", { "convex-client": "npm-0.1.0" })).toMatchObject({
      code: "ClientVersionUnsupported",
    });
    expect(await refusal("/api/1.48.0/other")).toMatchObject({ status: 404 });
  });

  it("accepts both forms of the URL and any client", async () => {
    for (const [path, header] of [
      ["/api/1.48.0/sync", undefined],
      ["/api/1.48.0-alpha.1+x/sync?debug=1", undefined],
      ["/api/sync", undefined],
      ["/api/sync", "my-python-client-0.0.1-rc-1"],
    ] as const) {
      const client = await RawClient.open(rig, path, header ? { "convex-client": header } : {});
      client.modify(0);
      await client.until(() => client.version.querySet === 1);
      client.ws.close();
    }
  });
});

describe("queries", () => {
  it("are answered, follow commits, and stop", async () => {
    const client = await subscribed([add(0, "m:get", { key: "a" }), add(1, "m:get", { key: "b" })]);
    expect([client.value(0), client.value(1)]).toEqual([null, null]);
    const ts = rig.engine.write((data) => (data["a"] = { x: 1 }));
    await client.until(() => client.ts === ts);
    expect(client.value(0)).toEqual({ x: 1 });
    client.modify(1, remove(0));
    await client.until(() => client.version.querySet === 2);
    expect(client.results.has(0)).toBe(false);
    expect(rig.engine.openCount()).toBe(1);
    client.ws.close();
    await client.untilClosed();
    await expect.poll(() => rig.engine.openCount()).toBe(0);
    expect(rig.sync.connections()).toBe(0);
  });

  it("that fail say so, with data only for a ConvexError", async () => {
    const client = await subscribed([add(0, "m:fail"), add(1, "m:fail", { data: null }), add(2, "m:none")]);
    const id = "\\[Request ID: [0-9a-f]{16}\\] Server Error\\n";
    expect(client.results.get(0)?.type).toBe("QueryFailed");
    expect(client.results.get(0)?.["errorMessage"]).toMatch(new RegExp(`^${id}Uncaught Error: boom\\n$`));
    expect(client.results.get(0)).not.toHaveProperty("errorData");
    expect(client.results.get(1)).toHaveProperty("errorData", null);
    expect(client.results.get(2)?.["errorMessage"]).toMatch(
      /Could not find public function for 'm:none'\.\n$/,
    );
  });

  it("are sent again when only their log lines change", async () => {
    const client = await subscribed([add(0, "m:log")]);
    expect(client.results.get(0)?.["logLines"]).toEqual(["[LOG] 'undefined'"]);
    rig.engine.write((data) => (data["line"] = "x"));
    await client.until(() => client.results.get(0)?.["logLines"] !== undefined && client.ts > 1_000n);
    expect(client.results.get(0)).toMatchObject({ value: 1, logLines: ["[LOG] 'x'"] });
  });

  it("keep their journal across identity changes and sockets", async () => {
    rig.engine.write((data) => (data["end"] = 5));
    const client = await subscribed([add(0, "m:page")]);
    expect(client.results.get(0)).toMatchObject({ value: "5", journal: "5" });
    rig.engine.write((data) => (data["end"] = 9));
    client.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "good:ada" });
    await client.until(() => client.version.identity === 1);
    expect(client.results.get(0)).toMatchObject({ value: "5", journal: "5" });
    const other = await subscribed([
      add(3, "m:page", {}, { journal: "7" }),
      add(4, "m:page", {}, { journal: null }),
    ]);
    expect([other.value(3), other.value(4)]).toEqual(["7", "9"]);
  });

  it("with a large result arrive in chunks", async () => {
    rig.engine.write((data) => (data["a"] = "é".repeat(3_000_000)));
    const client = await subscribed([add(0, "m:get", { key: "a" }), add(1, "m:get", { key: "b" })]);
    expect(client.value(0)).toHaveLength(3_000_000);
    const old = await RawClient.open(rig, "/api/1.27.0/sync");
    old.modify(0, add(0, "m:get", { key: "a" }));
    await old.until(() => old.version.querySet === 1);
    expect(old.messages.map((message) => message.type)).toEqual(["Transition"]);
  });
});

describe("mutations", () => {
  it("answer before the Transition that shows them", async () => {
    const client = await subscribed([add(0, "m:get", { key: "a" })]);
    client.mutate(0, "m:set", { key: "a", value: 1 });
    await client.until(() => client.value(0) === 1);
    const types = client.messages.slice(1).map((message) => message.type);
    expect(types).toEqual(["MutationResponse", "Transition"]);
    const [response] = client.of("MutationResponse");
    expect(response).toMatchObject({ success: true, result: "was set", requestId: 0, logLines: [] });
    expect(decodeU64(String(response?.["ts"]))).toBe(client.ts);
  });

  it("that change nothing visible are followed by an empty Transition", async () => {
    const client = await subscribed([]);
    client.mutate(0, "m:set", { key: "a", value: 1 });
    client.mutate(1, "m:fail");
    await client.until(
      () => client.of("MutationResponse").length === 2 && client.messages.at(-1)?.type === "Transition",
    );
    expect(client.ts).toBe(1_001n);
    expect(client.of("MutationResponse")[1]).toMatchObject({ success: false, ts: null });
  });

  it("run once when sent again on another socket, with the first answer", async () => {
    const client = await subscribed([]);
    client.mutate(0, "m:set", { key: "a", value: 1 });
    await client.until(() => client.ts === 1_001n);
    rig.engine.write((data) => (data["a"] = 2));
    const again = await subscribed([add(0, "m:get", { key: "a" })]);
    again.mutate(0, "m:set", { key: "a", value: 1 });
    await again.until(() => again.of("MutationResponse").length === 1);
    expect(again.of("MutationResponse")[0]).toMatchObject({ success: true, ts: encodeU64(1_001n) });
    expect(again.value(0)).toBe(2);
  });

  it("wait on the wire for nothing but their own answers, in any batch of deliveries", async () => {
    const client = await subscribed([add(0, "m:get", { key: "a" })]);
    rig.engine.manual = true;
    for (let i = 0; i < 5; i++) client.mutate(i, "m:set", { key: "a", value: i });
    await expect.poll(() => rig.engine.waiting).toBe(10);
    for (const count of [1, 2, 3, 4]) {
      rig.engine.deliver(count);
      await tick();
    }
    await client.until(() => client.value(0) === 4 && client.of("MutationResponse").length === 5);
    const seen: bigint[] = [];
    for (const message of client.messages) {
      const ts =
        message.type === "Transition" ? (message["endVersion"] as { ts: string }).ts : String(message["ts"]);
      if (message.type === "MutationResponse")
        expect(seen.every((shown) => shown < (decodeU64(ts) ?? 0n))).toBe(true);
      else seen.push(decodeU64(ts) ?? 0n);
    }
  });

  it("use the identity in force when they arrived", async () => {
    rig.engine.functions.set("m:sign", (data, { identity }) => {
      data["by"] = identity.kind === "user" ? identity.attributes.tokenIdentifier : identity.kind;
    });
    const client = await subscribed([add(0, "m:get", { key: "by" })]);
    client.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "good:ada" });
    client.mutate(0, "m:sign");
    await client.until(() => client.value(0) === "i|ada");
  });
});

describe("actions", () => {
  it("run concurrently and answer by themselves", async () => {
    await rig.close();
    const { promise: first, resolve } = Promise.withResolvers<void>();
    rig = await startRig({
      runAction: async (call) => {
        if (call.argsJson === '["slow"]') await first;
        if (call.argsJson === '["bad"]') throw new LensletError("Overloaded", "X", "secret");
        return { ok: true, valueJson: call.argsJson, logLines: [] };
      },
    });
    const client = await RawClient.open(rig);
    client.connect();
    client.send({ type: "Action", requestId: 0, udfPath: "m:a", args: ["slow"] });
    client.send({ type: "Action", requestId: 1, udfPath: "m:a", args: ["fast"], componentPath: "c" });
    client.send({ type: "Action", requestId: 2, udfPath: "m:a", args: ["bad"] });
    await client.until(() => client.of("ActionResponse").length === 2);
    resolve();
    await client.until(() => client.of("ActionResponse").length === 3);
    const byId = client
      .of("ActionResponse")
      .toSorted((a, b) => Number(a["requestId"]) - Number(b["requestId"]));
    expect(byId.map(({ success, result }) => [success, result])).toEqual([
      [true, ["slow"]],
      [true, ["fast"]],
      [false, expect.stringMatching(/Server Error\nYour request couldn't be completed. Try again later.\n$/)],
    ]);
    expect(rig.actions[1]?.target).toEqual({ kind: "path", path: "m:a", componentPath: "c" });
  });
});

describe("identities", () => {
  it("change every result in one Transition", async () => {
    const client = await subscribed([add(0, "m:who"), add(1, "m:get", { key: "a" })]);
    client.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "good:ada" });
    await client.until(() => client.version.identity === 1);
    expect(client.messages.at(-1)?.["modifications"]).toMatchObject([{ queryId: 0, value: "i|ada" }]);
    client.send({
      type: "Authenticate",
      baseVersion: 1,
      tokenType: "Admin",
      value: "admin",
      impersonating: { tokenIdentifier: "t" },
    });
    await client.until(() => client.version.identity === 2);
    expect(JSON.parse(String(client.value(0)))).toEqual({
      kind: "admin",
      actingAs: { tokenIdentifier: "t" },
    });
    client.send({ type: "Authenticate", baseVersion: 2, tokenType: "None" });
    await client.until(() => client.version.identity === 3);
    expect(JSON.parse(String(client.value(0)))).toEqual({ kind: "anonymous" });
    expect(rig.engine.openCount()).toBe(2);
  });

  it("that are refused end the socket without a code", async () => {
    for (const message of [
      { type: "Authenticate", baseVersion: 0, tokenType: "User", value: "bad" },
      { type: "Authenticate", baseVersion: 0, tokenType: "Admin", value: "bad" },
    ]) {
      const client = await subscribed([]);
      client.send(message);
      expect(await client.untilClosed()).toEqual({ code: 1005, reason: "" });
      expect(client.of("AuthError")).toMatchObject([{ baseVersion: 0, authUpdateAttempted: true }]);
    }
    const client = await subscribed([]);
    client.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "down" });
    expect(await client.untilClosed()).toEqual({ code: 1013, reason: "AuthProviderDiscoveryFailed" });
    expect(client.of("AuthError")).toEqual([]);
  });

  it("expire", async () => {
    const client = await subscribed([add(0, "m:get", { key: "a" })]);
    client.send({
      type: "Authenticate",
      baseVersion: 0,
      tokenType: "User",
      value: `expires:ada:${rig.clock.now + 1000}`,
    });
    await client.until(() => client.version.identity === 1);
    rig.clock.advance(1000);
    rig.engine.write((data) => (data["a"] = 1));
    await client.untilClosed();
    expect(client.messages.at(-1)).toEqual({
      type: "AuthError",
      error: "Convex token identity expired",
      baseVersion: 1,
      authUpdateAttempted: false,
    });
  });
});

describe("arguments of all sockets together", () => {
  it("are bounded: who sends too much comes back later, and room is made by every answer", async () => {
    await rig.close();
    rig = await startRig({ waitingArgumentsMax: 100 });
    defineFunctions(rig);
    rig.engine.manual = true;
    const large = { key: "a", value: "x".repeat(60) };
    const [first, second] = [await RawClient.open(rig), await RawClient.open(rig)];
    first.connect();
    first.mutate(0, "m:set", large);
    await expect.poll(() => rig.engine.waiting).toBeGreaterThan(0);
    second.connect();
    second.send({ type: "Action", requestId: 0, udfPath: "m:a", args: [large] });
    expect(await second.untilClosed()).toEqual({ code: 1013, reason: "TooManyRequestBytes" });
    expect(rig.actions).toEqual([]);
    rig.engine.manual = false;
    rig.engine.deliver();
    await first.until(() => first.of("MutationResponse").length === 1);
    first.mutate(1, "m:set", large);
    await first.until(() => first.of("MutationResponse").length === 2);
  });
});

describe("with redaction", () => {
  it("errors and log lines stay here, the data of a ConvexError does not", async () => {
    await rig.close();
    rig = await startRig({ redact: true });
    defineFunctions(rig);
    const client = await subscribed([add(0, "m:fail", { data: { a: 1 } }), add(1, "m:log")]);
    expect(client.results.get(0)).toMatchObject({
      errorMessage: expect.stringMatching(/^\[Request ID: [0-9a-f]{16}\] Server Error$/),
      errorData: { a: 1 },
    });
    expect(client.results.get(1)?.["logLines"]).toEqual([]);
    client.mutate(0, "m:fail");
    await client.until(() => client.of("MutationResponse").length === 1);
    expect(client.of("MutationResponse")[0]?.["result"]).toMatch(
      /^\[Request ID: [0-9a-f]{16}\] Server Error$/,
    );
  });
});

describe("time", () => {
  it("brings pings, and an end for those who do not answer", async () => {
    const client = await subscribed([]);
    const pingsSeen = client.pings;
    for (let second = 0; second < 16; second++) {
      rig.clock.advance(1000);
      await tick();
    }
    await client.until(() => client.of("Ping").length === 1);
    expect(client.pings - pingsSeen).toBe(3);
    const silent = connect((rig.http.address() as AddressInfo).port, "127.0.0.1");
    silent.write(
      "GET /api/sync HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    let heard = Buffer.alloc(0);
    silent.on("data", (chunk) => (heard = Buffer.concat([heard, chunk])));
    await expect.poll(() => rig.sync.connections()).toBe(2);
    for (let seconds = 5; seconds < 120; seconds += 5) {
      rig.clock.advance(5_000);
      await client.until(() => client.pings - pingsSeen === 3 + seconds / 5);
      await tick();
    }
    expect(heard.includes("ClientDisconnect")).toBe(false);
    rig.clock.advance(6_000);
    await expect.poll(() => heard.includes("ClientDisconnect")).toBe(true);
    expect(client.closed).toBeNull();
    silent.destroy();
  });

  it("ends the wait for a timestamp we never had", async () => {
    const client = await RawClient.open(rig);
    client.connect({ maxObservedTimestamp: encodeU64(1_002n) });
    client.modify(0);
    const future = await RawClient.open(rig);
    future.connect({ maxObservedTimestamp: encodeU64(2_000n) });
    future.modify(0);
    await tick();
    expect(client.messages).toEqual([]);
    rig.engine.write(() => {});
    rig.engine.write(() => {});
    await client.until(() => client.ts === 1_002n);
    rig.clock.advance(6_000);
    expect(await future.untilClosed()).toEqual({ code: 1011, reason: "InternalServerError" });
    expect(client.closed).toBeNull();
  });

  it("ends the wait for a mutation that is never answered", async () => {
    const client = await subscribed([]);
    rig.engine.manual = true;
    client.mutate(0, "m:set", { key: "a", value: 1 });
    await expect.poll(() => rig.engine.waiting).toBe(2);
    rig.clock.advance(61_000);
    expect(await client.untilClosed()).toEqual({ code: 1013, reason: "SystemTimeoutError" });
    rig.engine.deliver();
  });
});

describe("failures of the engine", () => {
  it("while a query opens are hidden by a retry", async () => {
    rig.engine.openErrors.push(new Error("restarted"));
    const client = await RawClient.open(rig);
    client.modify(0, add(0, "m:get", { key: "a" }));
    await expect.poll(() => rig.engine.calls.length).toBe(1);
    await tick();
    rig.clock.advance(100);
    await client.until(() => client.version.querySet === 1);
    expect(client.value(0)).toBeNull();
  });

  it("during a mutation make the client come back", async () => {
    rig.engine.mutationErrors.push(new LensletError("Overloaded", "CommitterFullError", "full"));
    const client = await subscribed([add(0, "m:get", { key: "a" })]);
    client.mutate(0, "m:set");
    expect(await client.untilClosed()).toEqual({ code: 1013, reason: "CommitterFullError" });
    await expect.poll(() => rig.engine.openCount()).toBe(0);
  });

  it("never leave a query open that nobody waits for", async () => {
    rig.engine.manual = true;
    const client = await RawClient.open(rig);
    client.modify(0, add(0, "m:get", { key: "a" }), add(1, "m:who"));
    client.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "good:ada" });
    await expect.poll(() => rig.engine.waiting).toBe(4);
    client.ws.terminate();
    await expect.poll(() => rig.sync.connections()).toBe(0);
    rig.engine.deliver();
    await expect.poll(() => rig.engine.openCount()).toBe(0);
  });
});

describe("a client that does not read", () => {
  it("gets coalesced Transitions, is not read from, and is dropped in the end", async () => {
    const client = await subscribed([add(0, "m:get", { key: "a" })]);
    const socket = (client.ws as unknown as { _socket: Socket })._socket;
    socket.pause();
    let written = 0;
    for (let i = 0; i < 60; i++) {
      rig.engine.write((data) => (data["a"] = `${i}`.repeat(250_000)));
      written++;
      await tick();
    }
    client.ws.resume();
    socket.resume();
    await client.until(() => client.ts === 1_000n + BigInt(written));
    // Only what fits the kernel's buffers and two more were sent; the rest became one.
    expect(client.of("Transition").length).toBeLessThan(written);
    expect(client.value(0)).toBe("59".repeat(250_000));

    socket.pause();
    for (let i = 0; i < 4; i++) {
      rig.engine.write((data) => (data["a"] = `${i}`.repeat(4_000_000)));
      await tick();
    }
    for (let second = 0; second < 62; second++) rig.clock.advance(1_000);
    await expect.poll(() => rig.sync.connections()).toBe(0);
    client.ws.terminate();
  });
});

describe("draining", () => {
  it("answers what is under way and sends everybody away", async () => {
    const busy = await subscribed([]);
    const idle = await subscribed([]);
    rig.engine.manual = true;
    busy.mutate(0, "m:set", { key: "a", value: 1 });
    await expect.poll(() => rig.engine.waiting).toBe(2);
    const done = rig.sync.drain();
    expect(await idle.untilClosed()).toEqual({ code: 1001, reason: "ServerDraining" });
    expect(busy.closed).toBeNull();
    const late = new RawClient(rig.url);
    const [, response] = await once(late.ws, "unexpected-response");
    expect(response.statusCode).toBe(503);
    rig.engine.deliver();
    rig.clock.advance(20);
    expect((await busy.untilClosed()).code).toBe(1001);
    expect(busy.of("MutationResponse")).toHaveLength(1);
    await expect.poll(() => (rig.clock.advance(20), rig.sync.connections())).toBe(0);
    rig.clock.advance(20);
    await done;
  });
});

describe("garbage", () => {
  it("stops its sender with a FatalError", async () => {
    for (const garbage of ["{", "[]", '{"type":"Connect"}', '{"type":"Nope"}', ""]) {
      const client = await RawClient.open(rig);
      client.send(garbage);
      expect(await client.untilClosed()).toEqual({ code: 1005, reason: "" });
      expect(client.messages).toEqual([
        { type: "FatalError", error: expect.stringMatching(/^Received Invalid JSON on websocket: /) },
      ]);
    }
    const client = await RawClient.open(rig);
    client.ws.send(Buffer.from([1, 2, 3]));
    await client.untilClosed();
    expect(client.of("FatalError")).toHaveLength(1);
  });

  it("closes what a refused message had removed before", async () => {
    const client = await subscribed([add(0, "m:get", { key: "n" })]);
    expect(rig.engine.openCount()).toBe(1);
    client.modify(1, remove(0), remove(7));
    await client.untilClosed();
    await expect.poll(() => rig.engine.openCount()).toBe(0);
  });

  it("leaves every other socket alone", async () => {
    const witness = await subscribed([add(0, "m:get", { key: "n" })]);
    const smallInt = fc.integer({ min: -1, max: 3 });
    const message = fc.oneof(
      { weight: 6, arbitrary: structured(smallInt) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string() },
    );
    const chunk = fc.oneof(
      { weight: 4, arbitrary: fc.array(message, { minLength: 1, maxLength: 8 }).map((texts) => ({ texts })) },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => ({ bytes })) },
    );
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 4 }), async (chunks) => {
        const client = await RawClient.open(rig);
        for (const part of chunks) {
          if ("texts" in part) client.send(...part.texts);
          else (client.ws as unknown as { _socket: Socket })._socket.write(part.bytes);
        }
        n++;
        rig.engine.write((data) => (data["n"] = n));
        await witness.until(() => witness.value(0) === n);
        client.ws.terminate();
      }),
      { numRuns: 150 },
    );
    witness.ws.close();
    await expect.poll(() => rig.sync.connections()).toBe(0);
    await expect.poll(() => rig.engine.openCount()).toBe(0);
    expect(rig.defects).toEqual([]);
  });
});

/** Messages of the right shape with numbers that are often wrong. */
function structured(smallInt: fc.Arbitrary<number>): fc.Arbitrary<string> {
  const modification = fc.oneof(
    fc.record({
      type: fc.constant("Add"),
      queryId: smallInt,
      udfPath: fc.constantFrom("m:get", "m:who", "m:fail"),
      args: fc.constant([{}]),
    }),
    fc.record({ type: fc.constant("Remove"), queryId: smallInt }),
  );
  const base = smallInt;
  return fc
    .oneof(
      base.chain((baseVersion) =>
        fc.record({
          type: fc.constant("ModifyQuerySet"),
          baseVersion: fc.constant(baseVersion),
          newVersion: fc.constant(baseVersion + 1),
          modifications: fc.array(modification, { maxLength: 3 }),
        }),
      ),
      fc.record({ type: fc.constant("Authenticate"), baseVersion: base, tokenType: fc.constant("None") }),
      fc.record({
        type: fc.constant("Authenticate"),
        baseVersion: base,
        tokenType: fc.constantFrom("User", "Admin"),
        value: fc.constantFrom("good:a", "good:b", "bad", "down", "admin"),
      }),
      fc.record({
        type: fc.constantFrom("Mutation", "Action"),
        requestId: smallInt,
        udfPath: fc.constantFrom("m:set", "m:fail"),
        args: fc.constant([{ key: "z" }]),
      }),
      fc.record({
        type: fc.constant("Connect"),
        sessionId: fc.constant("9a0c2f6e-1111-4222-8333-444455556666"),
        connectionCount: smallInt,
      }),
      fc.record({ type: fc.constant("Event"), eventType: fc.string() }),
    )
    .map((json) => JSON.stringify(json));
}
