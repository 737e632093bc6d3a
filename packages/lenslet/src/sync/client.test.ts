import { BaseConvexClient, ConvexClient } from "convex/browser";
import { makeFunctionReference, type FunctionReference } from "convex/server";
import { ConvexError, type Value } from "convex/values";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { FakeConvexError } from "./fakeEngine.ts";
import { startRig, type Rig } from "./testClient.ts";

/** The clients of the published package, unmodified, against a real socket. */

const list = makeFunctionReference<"query", Record<string, never>, string[]>("m:list");
const get = makeFunctionReference<"query", { key: string }, unknown>("m:get");
const who = makeFunctionReference<"query">("m:who");
const fail = makeFunctionReference<"query">("m:fail");
const send = makeFunctionReference<"mutation", { body: string }, number>("m:send");
const refuse = makeFunctionReference<"mutation">("m:fail");
const act = makeFunctionReference<"action">("m:act");

let rig: Rig;
const clients: { close(): Promise<void> }[] = [];
const sockets: WebSocket[] = [];

class RecordedWebSocket extends WebSocket {
  constructor(url: string) {
    super(url);
    sockets.push(this);
  }
}

beforeEach(async () => {
  rig = await startRig();
  const { functions } = rig.engine;
  functions.set("m:list", (data) => data["messages"] ?? []);
  functions.set("m:get", (data, { args }) => data[String(args["key"])] ?? null);
  functions.set("m:who", (_, { identity }) =>
    identity.kind === "user" ? identity.attributes.tokenIdentifier : identity.kind,
  );
  functions.set("m:send", (data, { args }) => {
    const messages = [...((data["messages"] ?? []) as unknown[]), args["body"]];
    data["messages"] = messages;
    return messages.length;
  });
  functions.set("m:fail", () => {
    throw new FakeConvexError({ code: 7 });
  });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  sockets.length = 0;
  await rig.close();
});

const options = {
  webSocketConstructor: RecordedWebSocket as unknown as typeof globalThis.WebSocket,
  logger: false,
  skipConvexDeploymentUrlCheck: true,
} as const;

function newClient(more: Partial<ConstructorParameters<typeof ConvexClient>[1]> = {}): ConvexClient {
  const client = new ConvexClient(rig.url, { ...options, ...more });
  clients.push(client);
  return client;
}

/** Everything a subscription reports. */
function watch(client: ConvexClient, query: FunctionReference<"query">, args: Record<string, Value> = {}) {
  const seen: unknown[] = [];
  const errors: Error[] = [];
  const unsubscribe = client.onUpdate(
    query,
    args,
    (value: unknown) => seen.push(value),
    (error) => errors.push(error),
  );
  return { seen, errors, unsubscribe };
}

describe.each([
  ["ws", options.webSocketConstructor],
  ["the WebSocket of Node", globalThis.WebSocket],
])("ConvexClient over %s", (_, webSocketConstructor) => {
  it("subscribes, mutates, sees its write and unsubscribes", async () => {
    const client = newClient({ webSocketConstructor });
    const { seen, unsubscribe } = watch(client, list);
    expect(await client.mutation(send, { body: "hi" })).toBe(1);
    expect(seen.at(-1)).toEqual(["hi"]);
    rig.engine.write((data) => (data["messages"] = ["other"]));
    await expect.poll(() => seen.at(-1)).toEqual(["other"]);
    unsubscribe();
    await expect.poll(() => rig.engine.openCount()).toBe(0);
    expect(await client.action(act, {})).toBe("done");
    expect(await client.query(get, { key: "none" })).toBeNull();
  });

  it("throws ConvexErrors with their data", async () => {
    const client = newClient({ webSocketConstructor });
    const { errors } = watch(client, fail);
    await expect.poll(() => errors.length).toBe(1);
    expect(errors[0]).toBeInstanceOf(ConvexError);
    expect((errors[0] as ConvexError<{ code: number }>).data).toEqual({ code: 7 });
    await expect(client.mutation(refuse, {})).rejects.toMatchObject({ data: { code: 7 } });
  });
});

describe("ConvexClient", () => {
  it("drops an optimistic update exactly when the real result is there", async () => {
    const client = newClient();
    const { seen } = watch(client, list);
    await expect.poll(() => seen).toEqual([[]]);
    rig.engine.manual = true;
    const all = [1, 2, 3, 4, 5].map((n) =>
      client.mutation(
        send,
        { body: `${n}` },
        {
          optimisticUpdate: (store, { body }) =>
            store.setQuery(list, {}, [...(store.getQuery(list, {}) ?? []), body]),
        },
      ),
    );
    const expected = ["1", "2", "3", "4", "5"];
    expect(seen.at(-1)).toEqual(expected);
    const shownBefore = seen.length;
    await expect.poll(() => rig.engine.waiting).toBe(10);
    for (let i = 0; i < 10; i++) {
      rig.engine.deliver(1);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5]);
    // Applied twice or dropped too early, an update would make the list longer or shorter for a moment.
    for (const value of seen.slice(shownBefore)) expect(value).toEqual(expected);
  });

  it("reconnects with its queries, and its mutations run once", async () => {
    const client = newClient();
    const { seen } = watch(client, list);
    await client.mutation(send, { body: "first" });
    rig.engine.manual = true;
    const pending = client.mutation(send, { body: "second" });
    await expect.poll(() => rig.engine.waiting).toBe(2);
    for (const socket of sockets) socket.terminate();
    await expect.poll(() => rig.sync.connections()).toBe(0);
    rig.engine.deliver();
    rig.engine.manual = false;
    expect(await pending).toBe(2);
    expect(seen.at(-1)).toEqual(["first", "second"]);
    expect(rig.engine.data["messages"]).toEqual(["first", "second"]);
    expect(sockets).toHaveLength(2);
    expect(client.connectionState()).toMatchObject({ isWebSocketConnected: true, connectionRetries: 0 });
  });

  it("goes through its default token flow", async () => {
    const client = newClient();
    const { seen } = watch(client, who);
    const asked: boolean[] = [];
    const changes: boolean[] = [];
    client.setAuth(
      async ({ forceRefreshToken }) => {
        asked.push(forceRefreshToken);
        return forceRefreshToken ? "good:ada:fresh" : "good:ada:cached";
      },
      (isAuthenticated) => changes.push(isAuthenticated),
    );
    await expect.poll(() => changes).toEqual([true]);
    await expect.poll(() => seen.at(-1)).toBe("i|ada");
    expect(asked).toEqual([false, true]);
    // The fresh token of the same user re-runs nothing.
    const opens = rig.engine.calls.filter(
      ({ kind, call }) => kind === "open" && call.identity.kind === "user",
    );
    expect(opens).toHaveLength(1);
  });

  it("replaces a refused token, and gives up on a second refusal", async () => {
    const client = newClient();
    const { seen } = watch(client, who);
    const changes: boolean[] = [];
    const onChange = (isAuthenticated: boolean) => changes.push(isAuthenticated);
    client.setAuth(async ({ forceRefreshToken }) => (forceRefreshToken ? "good:bob" : "stale"), onChange);
    await expect.poll(() => seen.at(-1)).toBe("i|bob");
    expect(changes).toEqual([true]);
    changes.length = 0;
    client.setAuth(async () => "always bad", onChange);
    await expect.poll(() => changes).toEqual([false]);
    await expect.poll(() => seen.at(-1)).toBe("anonymous");
  });

  it("fetches a new token when the old one has expired", async () => {
    const client = newClient();
    const { seen } = watch(client, who);
    watch(client, get, { key: "a" });
    let round = 0;
    const changes: boolean[] = [];
    client.setAuth(
      async () => (++round <= 2 ? `expires:ada:${rig.clock.now + 1000}` : "good:ada"),
      (isAuthenticated) => changes.push(isAuthenticated),
    );
    await expect.poll(() => seen.at(-1)).toBe("i|ada");
    await expect.poll(() => round).toBe(2);
    rig.clock.advance(2000);
    rig.engine.write((data) => (data["a"] = 1));
    await expect.poll(() => round).toBeGreaterThanOrEqual(3);
    await expect.poll(() => sockets.length).toBe(2);
    await expect.poll(() => rig.sync.connections()).toBe(1);
    expect(seen.every((value) => value !== "anonymous" || seen.indexOf(value) === 0)).toBe(true);
  });

  it("reads a transition of 6 MB that came in chunks", async () => {
    rig.engine.write((data) => (data["big"] = "aé€😀".repeat(600_000)));
    const client = newClient();
    const { seen } = watch(client, get, { key: "big" });
    await expect.poll(() => seen.length).toBe(1);
    expect(seen[0]).toBe("aé€😀".repeat(600_000));
    rig.engine.write((data) => (data["big"] = "x".repeat(6_000_000)));
    await expect.poll(() => (seen.at(-1) as string).length).toBe(6_000_000);
  });
});

describe("BaseConvexClient", () => {
  it("calls as admin, acting as a user", async () => {
    const tokens: string[] = [];
    const client = new BaseConvexClient(rig.url, (changed) => tokens.push(...changed), options);
    clients.push(client);
    // Internal to the package, used by its dashboard and CLI.
    const admin = client as unknown as { setAdminAuth(key: string, actingAs: object): void };
    admin.setAdminAuth("admin", { issuer: "https://i", subject: "s" });
    client.subscribe("m:who", {});
    await expect.poll(() => client.localQueryResult("m:who", {})).toBe("admin");
    const identity = rig.engine.calls.find(({ call }) => call.identity.kind === "admin")?.call.identity;
    expect(identity).toEqual({
      kind: "admin",
      actingAs: { issuer: "https://i", subject: "s", tokenIdentifier: "https://i|s" },
    });
    expect(tokens).toHaveLength(1);
  });

  it("observes timestamps that never go back, also over reconnects", async () => {
    const client = new BaseConvexClient(rig.url, () => {}, options);
    clients.push(client);
    client.subscribe("m:list", {});
    await client.mutation("m:send", { body: "a" });
    const before = client.getMaxObservedTimestamp();
    for (const socket of sockets) socket.terminate();
    await client.mutation("m:send", { body: "b" });
    const after = client.getMaxObservedTimestamp();
    if (!before || !after) throw new Error("no timestamp was observed");
    expect(before.lessThanOrEqual(after)).toBe(true);
    expect(client.localQueryResult("m:list", {})).toEqual(["a", "b"]);
  });
});
