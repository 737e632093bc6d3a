import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { ConvexError, type Value } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "./api.ts";
import { type Backend, startBackend } from "./backend.ts";
import { ChannelModel } from "./channelModel.ts";
import { CuttingProxy } from "./cuttingProxy.ts";
import { Issuer } from "./issuer.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { until } from "../support/until.ts";

const seed = Number(process.env["LENSLET_CLIENTS_SEED"] ?? 1);

let backend: Backend;
beforeAll(async () => {
  backend = await startBackend();
}, 120_000);
afterAll(async () => {
  await backend.server.dispose();
});

describe("ConvexHttpClient", () => {
  const client = () => new ConvexHttpClient(backend.server.url, { logger: false });

  it("queries and mutates, one mutation after the other", async () => {
    const http = client();
    const sent = Array.from({ length: 20 }, (_, i) =>
      http.mutation(api.messages.send, { channel: "http", key: `http-${i}`, body: `body ${i}` }),
    );
    expect(await Promise.all(sent)).toEqual(sent.map((_, i) => i + 1));
    const list = await http.query(api.messages.list, { channel: "http" });
    expect(list.messages).toEqual(sent.map((_, i) => ({ key: `http-${i}`, body: `body ${i}` })));
    expect(await http.consistentQuery(api.messages.version, { channel: "http" })).toBe(20);
  });

  it("carries every kind of value there and back", async () => {
    const values: Value[] = [
      null,
      true,
      "τ∂🙂\u0000",
      0,
      -0,
      NaN,
      Infinity,
      -Infinity,
      1e308,
      5e-324,
      -9223372036854775808n,
      9223372036854775807n,
      new Uint8Array([0, 255, 128]).buffer,
      [[], [1n, [null]]],
      { nested: { empty: {}, list: [{ a: 1 }] } },
    ];
    for (const value of values) expect(await client().query(api.messages.echo, { value })).toEqual(value);
    expect(Object.is(await client().query(api.messages.echo, { value: -0 }), -0)).toBe(true);
  });

  it("throws what functions throw", async () => {
    const http = client();
    await expect(http.query(api.messages.fail, { how: "plainly" })).rejects.toThrow(
      /Uncaught Error: this query fails/,
    );
    const error: unknown = await http.query(api.messages.fail, { how: "with data" }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ConvexError);
    expect((error as ConvexError<Value>).data).toEqual({ code: 7n, reasons: ["a", null] });
    const refused: unknown = await http
      .mutation(api.messages.send, { channel: "http", key: "refused", body: "refuse" })
      .catch((e: unknown) => e);
    expect((refused as ConvexError<Value>).data).toEqual({ code: "refused", key: "refused" });
    await expect(http.query(api.messages.version, {} as never)).rejects.toThrow(/ArgumentValidationError/);
  });

  it("acts as the user of its token, and as nobody without one", async () => {
    const { issuer } = backend;
    const http = client();
    expect(await http.query(api.viewer.whoAmI, {})).toBe(null);
    http.setAuth(await issuer.token("ada", { lifetimeS: 60, name: "Ada" }));
    expect(await http.query(api.viewer.whoAmI, {})).toEqual({
      tokenIdentifier: `${issuer.url}|ada`,
      subject: "ada",
      issuer: issuer.url,
      name: "Ada",
    });
    http.clearAuth();
    expect(await http.query(api.viewer.whoAmI, {})).toBe(null);
  });

  it.each<[string, (issuer: Issuer) => Promise<string>]>([
    ["that has expired", (issuer) => issuer.token("ada", { lifetimeS: -60 })],
    ["for another application", (issuer) => issuer.token("ada", { lifetimeS: 60, audience: "else" })],
    ["signed by somebody else", async () => (await Issuer.create()).token("ada", { lifetimeS: 60 })],
    ["that is none", () => Promise.resolve("not.a.token")],
  ])("is refused with a token %s", async (_name, tokenOf) => {
    const http = client();
    http.setAuth(await tokenOf(backend.issuer));
    await expect(http.query(api.viewer.whoAmI, {})).rejects.toThrow(
      /"code":|InvalidAuthHeader|Unauthenticated/,
    );
  });
});

describe("ConvexClient over a line that is cut again and again", () => {
  const clientCount = 4;
  const operationsPerClient = 30;

  it(`shows every client exactly the versions there were (seed ${seed})`, { timeout: 120_000 }, async () => {
    const channel = "cut";
    const model = new ChannelModel();
    const random = seededRandom(seed);
    const proxy = await CuttingProxy.start({ targetPort: backend.server.port, seed, bytesMax: 25_000 });
    const clients = Array.from({ length: clientCount }, () => new ConvexClient(proxy.url, { logger: false }));
    try {
      for (const [i, client] of clients.entries())
        client.onUpdate(api.messages.list, { channel }, (shown) => model.shown(`client ${i}`, shown));
      let refused = 0;
      const work = clients.map(async (client, i) => {
        const own: string[] = [];
        for (let n = 0; n < operationsPerClient; n++) {
          const key = `cut-${i}-${n}`;
          const choice = random(10);
          const target = own[random(own.length + 1)];
          if (choice === 0) {
            const sent = client.mutation(api.messages.send, { channel, key, body: "refuse" });
            await expect(sent).rejects.toMatchObject({ data: { code: "refused", key } });
            refused += 1;
          } else if (choice <= 2 && target !== undefined) {
            const body = `edited ${n}`;
            const version = await client.mutation(api.messages.edit, { channel, key: target, body });
            model.answered(version, { type: "edit", key: target, body });
          } else if (choice === 3 && target !== undefined) {
            const version = await client.mutation(api.messages.remove, { channel, key: target });
            model.answered(version, { type: "remove", key: target });
            own.splice(own.indexOf(target), 1);
          } else {
            const body = `body ${n}`;
            const version = await client.mutation(api.messages.send, { channel, key, body });
            model.answered(version, { type: "send", key, body });
            own.push(key);
          }
          if (n === operationsPerClient / 2) await until("the line was cut", () => proxy.cuts >= clientCount);
        }
      });
      await Promise.all(work);
      proxy.heal();
      expect(model.versions + refused).toBe(clientCount * operationsPerClient);

      const final = await new ConvexHttpClient(backend.server.url).query(api.messages.list, { channel });
      expect(final).toEqual(model.final());
      const newest = () =>
        clients.map((client) => client.client.localQueryResult("messages:list", { channel }));
      await until("every client shows the newest version", () =>
        newest().every((shown) => JSON.stringify(shown) === JSON.stringify(final)),
      );
      expect(model.check()).toEqual([]);
      expect(clients.every((client) => client.connectionState().connectionCount > 1)).toBe(true);
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      await proxy.close();
    }
  });

  it("gives up on nothing while the server is restarted", { timeout: 120_000 }, async () => {
    const channel = "restart";
    const model = new ChannelModel();
    const client = new ConvexClient(backend.server.url, { logger: false });
    try {
      client.onUpdate(api.messages.list, { channel }, (shown) => model.shown("client", shown));
      const send = async (key: string) => {
        const version = await client.mutation(api.messages.send, { channel, key, body: key });
        model.answered(version, { type: "send", key, body: key });
      };
      await send("restart-before");
      await backend.server.kill9();
      const during = [send("restart-1"), send("restart-2")];
      await backend.server.start();
      await Promise.all(during);
      await backend.server.restart();
      await send("restart-after");
      await until("the newest version is shown", () => {
        const shown = client.client.localQueryResult("messages:list", { channel }) as { version: number };
        return shown.version === model.versions;
      });
      expect(model.check()).toEqual([]);
      expect(model.final().messages.map(({ key }) => key)).toEqual([
        "restart-before",
        "restart-1",
        "restart-2",
        "restart-after",
      ]);
    } finally {
      await client.close();
    }
  });
});
