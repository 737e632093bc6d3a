import { setTimeout as sleep } from "node:timers/promises";
import type { ConvexHttpClient } from "convex/browser";
import type { FunctionArgs } from "convex/server";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../../convex/_generated/api.js";
import { COMMENT_GAP_MIN_MS, LIQUIDATIONS_KEPT_MS } from "../../convex/model/limits.ts";
import type { ErrorData } from "../../convex/model/errors.ts";
import schema from "../../convex/schema.ts";
import { runConvex } from "../../../../conformance/support/project.ts";
import type { TestServer } from "../../../../conformance/support/server.ts";
import { appFolder, clientOf, feedKey, startWatchServer } from "./support/watchServer.ts";

// Every function, called through the official client on a real server. The market is empty at first; each describe that
// needs one of its own works with symbols of its own.

let server: TestServer;
let client: ConvexHttpClient;

beforeAll(async () => {
  server = await startWatchServer();
  client = clientOf(server);
});
afterAll(async () => {
  await server?.dispose();
});

type Batch = Omit<FunctionArgs<typeof api.feed.ingest>, "key">;
type Liquidation = Batch["liquidations"][number];

const ingest = (batch: Partial<Batch>, key = feedKey) =>
  client.mutation(api.feed.ingest, { key, prices: [], liquidations: [], ticks: 0, ...batch });

let count = 0;
function liquidation(fields: Partial<Liquidation> = {}): Liquidation {
  const number = ++count;
  return {
    address: `0xa${number}`,
    collateral_type: "ETH",
    collateral_amount: "1.5",
    usd_value: 5_000,
    tx_hash: `0x${number}`,
    created_at: Date.now(),
    ...fields,
  };
}

function price(symbol: string, price_usd: number, updated_at = Date.now()): Batch["prices"][number] {
  return { symbol, price_usd, change_24h: 1.5, updated_at };
}

async function refusal(call: Promise<unknown>): Promise<ErrorData> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConvexError) return error.data as ErrorData;
    throw error;
  }
  throw new Error("the call was accepted");
}

/** A number from the CLI's table, for what no query shows. */
const tableRows = async (table: string) =>
  JSON.parse(
    await runConvex(server, appFolder, "data", table, "--limit", "8000", "--format", "json"),
  ) as Record<string, unknown>[];

describe("the schema", () => {
  const exported = JSON.parse((schema as unknown as { export(): string }).export()) as {
    readonly tables: readonly {
      readonly tableName: string;
      readonly indexes: readonly { readonly indexDescriptor: string; readonly fields: readonly string[] }[];
      readonly documentType: {
        readonly value: Record<string, { fieldType: { type: string }; optional: boolean }>;
      };
    }[];
  };
  const table = (name: string) => exported.tables.find(({ tableName }) => tableName === name)!;
  const fields = (name: string) =>
    Object.entries(table(name).documentType.value)
      .map(([field, { fieldType, optional }]) => `${field}${optional ? "?" : ""}: ${fieldType.type}`)
      .sort();

  it("defines the five tables of the story, field by field", () => {
    expect(fields("users")).toEqual([
      "bio?: string",
      "created_at: number",
      "username: string",
      "wallet_address: string",
    ]);
    expect(fields("messages")).toEqual([
      "agent_id?: id",
      "content: string",
      "created_at: number",
      "message_type: union",
      "user_id?: id",
    ]);
    expect(table("messages").documentType.value["message_type"]).toMatchObject({
      fieldType: {
        value: ["chat", "trade", "liquidation"].map((value) => ({ type: "literal", value })),
      },
    });
    expect(fields("agents")).toEqual([
      "activity_level: number",
      "is_active: boolean",
      "name: string",
      "persona: string",
    ]);
    expect(fields("liquidations")).toEqual([
      "address: string",
      "collateral_amount: string",
      "collateral_type: string",
      "created_at: number",
      "tx_hash: string",
      "usd_value: number",
    ]);
    expect(fields("prices")).toEqual([
      "change_24h: number",
      "price_usd: number",
      "symbol: string",
      "updated_at: number",
    ]);
  });

  it("has the indexes of the story", () => {
    const indexes = (name: string) =>
      table(name).indexes.map(({ indexDescriptor, fields }) => `${indexDescriptor}: ${fields.join(",")}`);
    expect(indexes("users")).toContain("by_wallet: wallet_address");
    expect(indexes("messages")).toContain("by_created: created_at");
    expect(indexes("liquidations")).toContain("by_created: created_at");
    expect(indexes("prices")).toContain("by_symbol: symbol");
  });
});

describe("the feed", () => {
  it("is closed to whoever does not know the key", async () => {
    expect(await refusal(ingest({}, "guess"))).toMatchObject({ code: "feed_key" });
    expect(await refusal(ingest({}, ""))).toMatchObject({ code: "feed_key" });
    expect(await refusal(client.mutation(api.agents.seed, { key: "guess" }))).toMatchObject({
      code: "feed_key",
    });
  });

  it("keeps one price per symbol, the latest by its own time", async () => {
    const now = Date.now();
    await ingest({ prices: [price("AAA", 1, now - 20), price("AAA", 2, now - 10)], ticks: 2 });
    await ingest({ prices: [price("AAA", 3, now - 15)], ticks: 1 });
    const shown = (await client.query(api.prices.list, {})).filter(({ symbol }) => symbol === "AAA");
    expect(shown).toEqual([{ symbol: "AAA", price_usd: 2, change_24h: 1.5, updated_at: now - 10 }]);
  });

  it.each([
    ["a price of zero", { prices: [price("ETH", 0)] }, "prices[0].price_usd"],
    ["a price that is no number", { prices: [price("ETH", Number.NaN)] }, "prices[0].price_usd"],
    ["a symbol with escape sequences", { prices: [price("E\u001b[2J", 1)] }, "prices[0].symbol"],
    ["a time far ahead", { prices: [price("ETH", 1, Date.now() + 3_600_000)] }, "prices[0].updated_at"],
    ["ticks below zero", { ticks: -1 }, "ticks"],
    ["a value below zero", { liquidations: [liquidation({ usd_value: -1 })] }, "liquidations[0].usd_value"],
    [
      "an amount that is no number",
      { liquidations: [liquidation(), liquidation({ collateral_amount: "1e5" })] },
      "liquidations[1].collateral_amount",
    ],
    [
      "an address that is none",
      { liquidations: [liquidation({ address: "0x\u0007" })] },
      "liquidations[0].address",
    ],
    [
      "too many prices",
      { prices: Array.from({ length: 201 }, () => price("ETH", 1)) },
      "prices: at most 200",
    ],
    [
      "too many liquidations",
      { liquidations: Array.from({ length: 501 }, () => liquidation()) },
      "liquidations: at most 500",
    ],
  ])("refuses %s, and all that came with it", async (_, batch, message) => {
    const before = await client.query(api.liquidations.newest, {});
    const data = await refusal(ingest({ ticks: 1, ...batch }));
    expect(data.code).toBe("invalid");
    expect(data.message).toContain(message);
    expect(await client.query(api.liquidations.newest, {})).toBe(before);
  });

  it("sums up each second and each minute in the transaction of the events", async () => {
    // A second that no other test has events in.
    const second = Math.floor(Date.now() / 1_000) * 1_000 - 30_000;
    const of = (usd_value: number, created_at: number) =>
      liquidation({ collateral_type: "SUM", usd_value, created_at });
    await ingest({
      liquidations: [of(100, second - 1_000), of(200, second)],
      prices: [price("SUM", 1, second)],
      ticks: 7,
    });
    await ingest({ liquidations: [of(50, second)] });
    const leader = (await client.query(api.market.leaders, {})).find(({ symbol }) => symbol === "SUM");
    expect(leader).toEqual({ symbol: "SUM", liquidations: 3, usd_value: 350, largest_usd: 200 });
    const rows = await tableRows("market_seconds");
    const at = (start: number) => rows.find((row) => row["second"] === start);
    expect(at(second)).toMatchObject({ ticks: 7, liquidations: 2, usd_value: 250, largest_usd: 200 });
    const pulse = await client.query(api.market.pulse, {});
    expect(pulse.usd_value).toHaveLength(60);
    expect(pulse.usd_value[59 - (pulse.second - second) / 1_000]).toBe(250);
    expect(pulse.usd_value[58 - (pulse.second - second) / 1_000]).toBe(100);
  });

  it("deletes old liquidations as new ones come, some with each batch", async () => {
    const left = async () =>
      (await client.query(api.liquidations.recent, { limit: 50, symbol: "OLD" })).length;
    const addNew = () => ingest({ liquidations: [liquidation({ collateral_type: "NEW" })] });
    const counts: number[] = [];
    // Old enough in a few seconds; until then they stay. A machine that is slower than that gets more of them.
    for (let youngMs = 4_000; counts.length === 0; youngMs *= 2) {
      const isOldAt = Date.now() + youngMs;
      const created_at = isOldAt - LIQUIDATIONS_KEPT_MS;
      await ingest({
        liquidations: Array.from({ length: 5 }, () => liquidation({ collateral_type: "OLD", created_at })),
      });
      const young = await left();
      if (Date.now() < isOldAt) counts.push(young);
      else while ((await left()) > 0) await addNew();
      while (Date.now() <= isOldAt) await sleep(50);
    }
    while ((counts.at(-1) ?? 0) > 0 && counts.length < 10) {
      await addNew();
      counts.push(await left());
    }
    // At most 2n + 1 go with a batch of n.
    expect(counts).toEqual([5, 2, 0]);
  });
});

describe("liquidations", () => {
  it("come newest first, by symbol and from a value on, never more than asked for", async () => {
    const now = Date.now();
    const batch = Array.from({ length: 30 }, (_, index) =>
      liquidation({
        collateral_type: index % 3 === 0 ? "XX1" : "XX2",
        usd_value: 1_000 * (index + 1),
        created_at: now + index,
      }),
    );
    await ingest({ liquidations: batch });
    const times = async (args: FunctionArgs<typeof api.liquidations.recent>) =>
      (await client.query(api.liquidations.recent, args)).map((one) => one.created_at - now);
    expect(await times({ limit: 3 })).toEqual([29, 28, 27]);
    expect(await times({ limit: 3, symbol: "XX1" })).toEqual([27, 24, 21]);
    expect(await times({ limit: 100, symbol: "XX1", min_usd: 20_000 })).toEqual([27, 24, 21]);
    expect(await times({ limit: 2, min_usd: 20_000 })).toEqual([29, 28]);
    expect(await times({ limit: -5 })).toHaveLength(1);
    expect((await times({ limit: 1e9, symbol: "XX2" })).length).toBe(20);
  });

  it("never return more than 200, or 500 a page, however many there are", async () => {
    for (let batch = 0; batch < 2; batch++)
      await ingest({
        liquidations: Array.from({ length: 300 }, () => liquidation({ collateral_type: "MANY" })),
      });
    expect(await client.query(api.liquidations.recent, { limit: 10_000 })).toHaveLength(200);
    expect(await client.query(api.liquidations.since, { after: 0, limit: 10_000 })).toHaveLength(500);
  });

  it("can be read page by page without a gap or a repetition", async () => {
    const start = await client.query(api.liquidations.newest, {});
    const hashes: string[] = [];
    for (let batch = 0; batch < 3; batch++) {
      // All of the same millisecond: only the order of arrival tells them apart.
      const created_at = Date.now() - 5_000;
      const list = Array.from({ length: 10 }, () => liquidation({ collateral_type: "PAGE", created_at }));
      hashes.push(...list.map((one) => one.tx_hash));
      await ingest({ liquidations: list });
    }
    const read: string[] = [];
    for (let after = start; ;) {
      const page = await client.query(api.liquidations.since, { after, limit: 7 });
      if (page.length === 0) break;
      read.push(...page.map((one) => one.tx_hash));
      after = page.at(-1)!._creationTime;
    }
    expect(read).toEqual(hashes);
    expect(await client.query(api.liquidations.newest, {})).toBeGreaterThan(start);
  });
});

describe("users and messages", () => {
  it("knows a user by the wallet, and renames", async () => {
    const first = await client.mutation(api.users.signIn, { wallet_address: "0xwallet1", username: "Ada" });
    const again = await client.mutation(api.users.signIn, {
      wallet_address: " 0xwallet1 ",
      username: "Grace",
    });
    const other = await client.mutation(api.users.signIn, { wallet_address: "0xwallet2", username: "Ada" });
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    await client.mutation(api.messages.send, { user_id: first, content: "who am I" });
    const [message] = await client.query(api.messages.list, { limit: 1 });
    expect(message).toMatchObject({ author: "Grace", is_agent: false, message_type: "chat" });
    // Ids and wallets are what one speaks with: they stay with their owner.
    expect(JSON.stringify(message)).not.toContain(first);
    expect(JSON.stringify(message)).not.toContain("wallet");
  });

  it("sets and removes a bio", async () => {
    const user_id = await client.mutation(api.users.signIn, { wallet_address: "0xbio", username: "Bio" });
    const bio = async () =>
      (await tableRows("users")).find((user) => user["wallet_address"] === "0xbio")?.["bio"];
    await client.mutation(api.users.setBio, { user_id, bio: "  watches   ETH " });
    expect(await bio()).toBe("watches ETH");
    await client.mutation(api.users.setBio, { user_id, bio: "" });
    expect(await bio()).toBeUndefined();
  });

  it.each([
    ["no name", { wallet_address: "0x1", username: "  " }, "username"],
    ["a long name", { wallet_address: "0x1", username: "x".repeat(25) }, "username"],
    ["a wallet with spaces", { wallet_address: "0x 1", username: "Ada" }, "wallet_address"],
    ["no wallet", { wallet_address: "", username: "Ada" }, "wallet_address"],
  ])("refuses %s", async (_, args, field) => {
    const data = await refusal(client.mutation(api.users.signIn, args));
    expect(data).toMatchObject({ code: "invalid", message: expect.stringContaining(field) as string });
  });

  it("takes control characters out of what is said, and limits its length", async () => {
    const user_id = await client.mutation(api.users.signIn, {
      wallet_address: "0xctrl",
      username: "C\u001btrl",
    });
    await client.mutation(api.messages.send, {
      user_id,
      content: "red \u001b[31malert\r\n\u0007 \u202eover",
    });
    const [message] = await client.query(api.messages.list, { limit: 1 });
    expect(message).toMatchObject({ author: "C trl", content: "red [31malert over" });
    for (const content of ["", " \n ", "\u0000", "x".repeat(501)])
      expect(await refusal(client.mutation(api.messages.send, { user_id, content }))).toMatchObject({
        code: "invalid",
      });
  });

  it("lets one person say eight things in ten seconds, and others meanwhile as well", async () => {
    const user_id = await client.mutation(api.users.signIn, { wallet_address: "0xfast", username: "Fast" });
    for (let number = 1; number <= 8; number++)
      await client.mutation(api.messages.send, { user_id, content: String(number) });
    expect(await refusal(client.mutation(api.messages.send, { user_id, content: "9" }))).toMatchObject({
      code: "too_fast",
    });
    const calm = await client.mutation(api.users.signIn, { wallet_address: "0xcalm", username: "Calm" });
    await client.mutation(api.messages.send, { user_id: calm, content: "hello" });
    const said = await client.query(api.messages.list, { limit: 9 });
    expect(said.map((message) => message.content)).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "hello"]);
  });
});

describe("agents", () => {
  it("are made once, and can be told to be silent", async () => {
    expect(await client.mutation(api.agents.seed, { key: feedKey })).toBe(4);
    expect(await client.mutation(api.agents.seed, { key: feedKey })).toBe(0);
    const agents = await client.query(api.agents.list, {});
    expect(agents.map(({ name }) => name)).toEqual(["Ledger", "Vex", "Marrow", "Sunny"]);
    const [first] = agents;
    await client.mutation(api.agents.configure, { key: feedKey, agent_id: first!._id, is_active: false });
    expect((await client.query(api.agents.list, {}))[0]).toMatchObject({
      is_active: false,
      activity_level: 0.9,
    });
    const wrong = { key: feedKey, agent_id: first!._id, activity_level: 1.5 };
    expect(await refusal(client.mutation(api.agents.configure, wrong))).toMatchObject({ code: "invalid" });
    expect(
      await refusal(client.mutation(api.agents.configure, { ...wrong, key: "guess", activity_level: 1 })),
    ).toMatchObject({ code: "feed_key" });
  });

  it("speak about what has happened, once in a while, however often they are asked", async () => {
    for (const agent of await client.query(api.agents.list, {}))
      await client.mutation(api.agents.configure, {
        key: feedKey,
        agent_id: agent._id,
        activity_level: 1,
        is_active: agent.name === "Vex",
      });
    await ingest({
      prices: [price("HUGE", 100)],
      liquidations: [liquidation({ collateral_type: "HUGE", usd_value: 2_500_000 })],
      ticks: 1,
    });
    const configured = Date.now();
    const comments = async () =>
      (await client.query(api.messages.list, { limit: 100 })).filter((message) => message.is_agent);
    // The cron asks as well; what the CLI asks for comes on top.
    const ask = () => runConvex(server, appFolder, "run", "agents:comment", "{}");
    while (!(await comments()).some((comment) => comment.created_at > configured)) await ask();
    for (let asked = 0; asked < 4; asked++) await ask();
    const said = await comments();
    for (const [index, comment] of said.entries()) {
      if (comment.created_at > configured) expect(comment.author).toBe("Vex");
      expect(["trade", "liquidation"]).toContain(comment.message_type);
      const before = said[index - 1];
      if (before !== undefined)
        expect(comment.created_at - before.created_at).toBeGreaterThanOrEqual(COMMENT_GAP_MIN_MS);
    }
    // Nobody else can make them speak.
    await expect(
      client.mutation("agents:comment" as unknown as typeof api.agents.seed, { key: feedKey }),
    ).rejects.toThrow(/Could not find public function/);
  });

  it("speak by themselves, on the schedule of the cron", async () => {
    const comments = async () =>
      (await client.query(api.messages.list, { limit: 100 })).filter((message) => message.is_agent).length;
    const before = await comments();
    // Something to talk about, as long as it takes.
    while ((await comments()) <= before) {
      await ingest({ liquidations: [liquidation({ usd_value: 1_000_000 })] });
      await sleep(200);
    }
  });

  it("forget old comments, and nothing that people said", async () => {
    expect(JSON.parse(await runConvex(server, appFolder, "run", "agents:deleteOldComments", "{}"))).toBe(0);
    expect((await client.query(api.messages.list, { limit: 100 })).length).toBeGreaterThan(5);
  });
});
