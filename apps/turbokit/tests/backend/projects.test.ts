import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../../conformance/support/until.ts";
import { codeOf, failureOf } from "../../../../conformance/support/failures.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import { type Person, TurboServer } from "../support/turboServer.ts";

let turbo: TurboServer;
let ann: Person;
let bob: Person;
const firstPage = { paginationOpts: { numItems: 20, cursor: null } };

beforeAll(async () => {
  turbo = await TurboServer.start();
  [ann, bob] = await Promise.all([turbo.welcomed("Ann"), turbo.welcomed("Bob")]);
}, 240_000);
afterAll(async () => {
  await turbo?.close();
});

describe("projects", () => {
  it("are made, found, changed, deleted and brought back", async () => {
    const { client } = ann;
    const id = await client.mutation(api.projects.create, { name: "  Lighthouse repair " });
    await client.mutation(api.projects.create, { name: "Harbour lighthouse", status: "draft" });
    expect(await client.query(api.projects.get, { id })).toMatchObject({
      userId: ann.id,
      name: "Lighthouse repair",
      isOwner: true,
    });
    const found = async (status?: "active" | "draft") =>
      (await client.query(api.projects.search, { query: "lighthouse", ...(status && { status }) }))
        .map(({ name }) => name)
        .toSorted((a, b) => a.localeCompare(b));
    expect(await found()).toEqual(["Harbour lighthouse", "Lighthouse repair"]);
    expect(await found("draft")).toEqual(["Harbour lighthouse"]);
    expect(await bob.client.query(api.projects.search, { query: "lighthouse" })).toEqual([]);
    await client.mutation(api.projects.update, { id, status: "archived", description: "Paint it" });
    expect(await client.query(api.projects.list, { status: "archived" })).toMatchObject([
      { _id: id, description: "Paint it" },
    ]);
    await client.mutation(api.projects.remove, { id });
    expect(await client.query(api.projects.get, { id })).toBeNull();
    expect(await found()).toEqual(["Harbour lighthouse"]);
    expect(await codeOf(client.mutation(api.projects.update, { id, name: "x" }))).toBe("NOT_FOUND");
    await client.mutation(api.projects.restore, { id });
    expect(await found()).toEqual(["Harbour lighthouse", "Lighthouse repair"]);
    const pages = await client.query(api.projects.page, { paginationOpts: { numItems: 2, cursor: null } });
    expect(pages).toMatchObject({ isDone: false, page: [{ name: "My first project" }, { _id: id }] });
    expect(await codeOf(client.mutation(api.projects.create, { name: " " }))).toBe("INVALID_INPUT");
  });

  it("show up for others when they are public, and take comments", async () => {
    const id = await ann.client.mutation(api.projects.create, {
      name: "Open garden",
      settings: { isPublic: true, allowComments: true },
    });
    const { page } = await bob.client.query(api.projects.listPublic, firstPage);
    expect(page.map(({ _id }) => _id)).toEqual([id]);
    expect(await codeOf(bob.client.mutation(api.projects.update, { id, name: "Mine" }))).toBe("UNAUTHORIZED");
    const comment = await bob.client.mutation(api.messages.send, { projectId: id, body: "Nice roses" });
    await ann.client.mutation(api.messages.send, { projectId: id, body: "Thank you" });
    const list = await bob.client.query(api.messages.list, { projectId: id, ...firstPage });
    expect(list.page).toMatchObject([
      { body: "Thank you", authorName: "Ann", isMine: false },
      { _id: comment, body: "Nice roses", authorName: "Bob", isMine: true },
    ]);
    await ann.client.mutation(api.projects.update, {
      id,
      settings: { isPublic: true, allowComments: false },
    });
    expect(await codeOf(bob.client.mutation(api.messages.send, { projectId: id, body: "?" }))).toBe(
      "UNAUTHORIZED",
    );
    // Its owner removes what others have said.
    await ann.client.mutation(api.messages.remove, { id: comment });
    await ann.client.mutation(api.projects.update, {
      id,
      settings: { isPublic: false, allowComments: true },
    });
    expect(await bob.client.query(api.projects.get, { id })).toBeNull();
  });

  it("are as many as the plan has", async () => {
    const cat = await turbo.welcomed("Cat");
    const many = Array.from({ length: 9 }, (_, at) => ({ name: `Project ${at}` }));
    for (const project of many) await cat.client.mutation(api.projects.create, project);
    expect(await failureOf(cat.client.mutation(api.projects.create, { name: "One more" }))).toMatchObject({
      code: "PLAN_LIMIT",
      limit: 10,
    });
  });

  it("come from elsewhere once", async () => {
    const sync = (name: string) =>
      turbo.server.call("projects:syncProject", { userId: bob.id, externalId: "x-1", data: { name } });
    expect(await sync("Imported")).toBe(await sync("Imported again"));
    expect(await bob.client.query(api.projects.search, { query: "imported" })).toMatchObject([
      { name: "Imported again", externalId: "x-1" },
    ]);
  });
});

describe("live", () => {
  it("shows a change to whoever watches", async () => {
    const watcher = turbo.liveClient(ann.token);
    const seen: string[][] = [];
    watcher.onUpdate(api.projects.list, { status: "draft" }, (projects) => {
      seen.push(projects.map(({ name }) => name));
    });
    await eventually(() => seen.length > 0);
    await ann.client.mutation(api.projects.create, { name: "Seen at once", status: "draft" });
    await eventually(() => seen.at(-1)?.includes("Seen at once") === true);
    await watcher.close();
  });

  it("knows who looks at a project", async () => {
    const roomId = await ann.client.mutation(api.projects.create, {
      name: "Meeting place",
      settings: { isPublic: true, allowComments: true },
    });
    const beat = ({ client, id }: Person, userId = id) =>
      client.mutation(api.presence.heartbeat, { roomId, userId, sessionId: `s-${id}`, interval: 10_000 });
    const { roomToken } = await beat(ann);
    const { sessionToken } = await beat(bob);
    const people = async () =>
      (await ann.client.query(api.presence.list, { roomToken })).map(({ name, online }) => [name, online]);
    expect(new Map((await people()) as [string, boolean][])).toEqual(
      new Map([
        ["Ann", true],
        ["Bob", true],
      ]),
    );
    // A page that is being closed has no token of its user any more.
    await turbo.client().mutation(api.presence.disconnect, { sessionToken });
    expect(new Map((await people()) as [string, boolean][])).toEqual(
      new Map([
        ["Ann", true],
        ["Bob", false],
      ]),
    );
    expect(await codeOf(beat(bob, ann.id))).toBe("UNAUTHORIZED");
    await ann.client.mutation(api.projects.update, {
      id: roomId,
      settings: { isPublic: false, allowComments: true },
    });
    expect(await codeOf(beat(bob))).toBe("NOT_FOUND");
  });
});

describe("rate limits", () => {
  it("are exact to the unit, however many calls come at once", async () => {
    const dan = await turbo.welcomed("Dan");
    const projectId = await dan.client.mutation(api.projects.create, { name: "Busy" });
    const clients = Array.from({ length: 8 }, () => turbo.client(dan.token));
    const calls = Array.from({ length: 40 }, (_, at) => {
      const client = clients[at % clients.length] ?? dan.client;
      return failureOf(
        client.mutation(api.messages.send, { projectId, body: `Message ${at}` }, { skipQueue: true }),
      );
    });
    const startMs = Date.now();
    const results = await Promise.all(calls);
    const sent = results.filter(({ code }) => code === "no error").length;
    // The bucket holds ten; while the calls ran it may have got another one every two seconds.
    const refilled = Math.floor((Date.now() - startMs) / 2_000) + 1;
    expect(sent).toBeGreaterThanOrEqual(10);
    expect(sent).toBeLessThanOrEqual(10 + refilled);
    const { page } = await dan.client.query(api.messages.list, {
      projectId,
      paginationOpts: { numItems: 100, cursor: null },
    });
    expect(page).toHaveLength(sent);
    const refused = results.filter(({ code }) => code !== "no error");
    expect(refused.every(({ code, name }) => code === "RATE_LIMITED" && name === "sendMessage")).toBe(true);
    expect(refused[0]?.["retryAfter"]).toBeGreaterThan(0);
    // Others are not held up by it.
    const other = await ann.client.mutation(api.projects.create, { name: "Quiet" });
    expect(await codeOf(ann.client.mutation(api.messages.send, { projectId: other, body: "Hello" }))).toBe(
      "no error",
    );
  });

  it("give back what a call took that failed later on", async () => {
    const eli = await turbo.welcomed("Eli");
    for (let at = 0; at < 12; at++)
      expect(await codeOf(eli.client.mutation(api.projects.create, { name: "" }))).toBe("INVALID_INPUT");
    expect(await codeOf(eli.client.mutation(api.projects.create, { name: "Good" }))).toBe("no error");
  });
});

describe("uploads", () => {
  const upload = async ({ client }: Person, name: string, bytes: Uint8Array<ArrayBuffer>, type: string) => {
    const { key, url } = await client.mutation(api.uploads.generateUploadUrl, { name });
    const put = await fetch(url, { method: "PUT", headers: { "content-type": type }, body: bytes });
    expect(put.status).toBe(200);
    await client.mutation(api.uploads.syncMetadata, { key });
    return key;
  };
  const fileOf = async ({ client }: Person, key: string, status: string) =>
    await eventually(async () => {
      const files = await client.query(api.uploads.list, {});
      return files.find((file) => file.key === key && file.status === status);
    });

  it("go to the bucket, with size and type, and can be read and removed by their owner alone", async () => {
    const bytes = new TextEncoder().encode("a,b\n1,2\n");
    const key = await upload(ann, "numbers.csv", bytes, "text/csv");
    const file = await fileOf(ann, key, "stored");
    expect(file).toMatchObject({ name: "numbers.csv", contentType: "text/csv", size: 8 });
    expect(await (await fetch(file.url ?? "")).text()).toBe("a,b\n1,2\n");
    expect(await bob.client.query(api.uploads.list, {})).toEqual([]);
    expect(await codeOf(bob.client.mutation(api.uploads.syncMetadata, { key }))).toBe("NOT_FOUND");
    expect(await codeOf(bob.client.mutation(api.uploads.remove, { id: file._id }))).toBe("NOT_FOUND");
    await ann.client.mutation(api.uploads.remove, { id: file._id });
    await eventually(async () => (await fetch(file.url ?? "")).status === 404);
    expect(await ann.client.query(api.uploads.list, {})).toEqual([]);
  });

  it("larger than the plan allows are removed again", async () => {
    const key = await upload(
      ann,
      "film.bin",
      new Uint8Array(10 * 1024 * 1024 + 1),
      "application/octet-stream",
    );
    expect(await fileOf(ann, key, "rejected")).toMatchObject({ url: null, size: 10 * 1024 * 1024 + 1 });
  });
});
