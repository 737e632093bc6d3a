import { describe, expect, it } from "vitest";
import { components, internal } from "../_generated/api.js";
import { describeDevice } from "../model/devices.ts";
import { authRow, mutations, queries, somebody, startBackend, until } from "./backend.support.ts";

// What Better Auth tells the app of its own people and sessions, and what becomes of it.

const backend = startBackend();
const { onCreate, onUpdate, onDelete } = internal.auth;
const userAgent =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";

function person(id: string, more: object = {}) {
  return { _id: id, name: id, email: `${id.toLowerCase()}@example.com`, emailVerified: false, ...more };
}
const create = (model: string, doc: object) => backend.mutation(onCreate, { model, doc });
const accountOf = (id: string) =>
  backend.run((ctx) =>
    ctx.db
      .query("users")
      .withIndex("by_token", (q) => q.eq("tokenIdentifier", `better-auth|${id}`))
      .unique(),
  );
const sessionOf = (sessionId: string) =>
  backend.run((ctx) =>
    ctx.db
      .query("user_sessions")
      .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
      .unique(),
  );

const fieldsOf = (name: string) => ({
  name,
  email: `${name.toLowerCase()}@example.com`,
  emailVerified: false,
});
const verification = (identifier: string, value: string, expiresAt = Date.now() + 3_600_000) =>
  authRow(backend, "verification", { identifier, value, expiresAt });
const countOf = (model: string, field: string, value: string): Promise<number> =>
  backend.query(async (ctx) => {
    const { page } = (await ctx.runQuery(components.betterAuth.adapter.findMany, {
      model: model as never,
      where: [{ field, value }],
      paginationOpts: { cursor: null, numItems: 200 },
    })) as { page: unknown[] };
    return page.length;
  });

describe("people of Better Auth", () => {
  it("get an account, with the address once it is confirmed", async () => {
    await create("user", person("Lovelace", { name: "Ada (Lovelace)" }));
    expect(await accountOf("Lovelace")).toMatchObject({ name: "Ada Lovelace", isActive: true });
    expect(await accountOf("Lovelace")).not.toHaveProperty("email");
    const update = (newDoc: object, oldDoc: object) =>
      backend.mutation(onUpdate, { model: "user", newDoc, oldDoc });
    await update(person("Lovelace"), person("Lovelace"));
    expect(await accountOf("Lovelace")).not.toHaveProperty("email");
    const confirmed = person("Lovelace", { emailVerified: true });
    await update(confirmed, person("Lovelace"));
    expect(await accountOf("Lovelace")).toMatchObject({ email: "lovelace@example.com" });
    await update({ ...confirmed, email: "ada@example.com" }, confirmed);
    expect(await accountOf("Lovelace")).toMatchObject({ email: "ada@example.com" });
    await update(person("Nobody", { emailVerified: true }), person("Nobody"));
    await create("user", person("Hopper", { emailVerified: true }));
    expect(await accountOf("Hopper")).toMatchObject({ email: "hopper@example.com" });
  });

  it("take what waited for their address; nothing twice, and nothing of their own", async () => {
    const owner = await somebody(backend, "Owner");
    const chatId = await owner.mutation(mutations.chats.createChat, { title: "Waiting" });
    await owner.mutation(mutations.shares.shareChat, { chatId, email: "gauss@example.com", canWrite: true });
    await create("user", person("Gauss"));
    const gauss = (await accountOf("Gauss"))!;
    await backend.run(async (ctx) => {
      const own = await ctx.db.insert("chats", { userId: gauss._id });
      const permissions = { canRead: true, canWrite: true, canShare: false };
      const row = { permissions, isActive: true, ownerId: gauss._id, shareToken: "x" };
      await ctx.db.insert("chat_shares", { ...row, chatId: own, invitedEmail: "gauss@example.com" });
      await ctx.db.insert("chat_shares", { ...row, chatId, sharedWithUserId: gauss._id });
    });
    const newDoc = person("Gauss", { emailVerified: true });
    await backend.mutation(onUpdate, { model: "user", newDoc, oldDoc: person("Gauss") });
    const rows = await backend.run((ctx) => ctx.db.query("chat_shares").collect());
    const theirs = rows.filter(({ sharedWithUserId }) => sharedWithUserId === gauss._id);
    expect(theirs).toHaveLength(1);
    expect(rows.filter(({ invitedEmail }) => invitedEmail === "gauss@example.com")).toEqual([]);
  });

  it("that are deleted there are deleted here", async () => {
    const { _id: id } = await authRow(backend, "user", { ...fieldsOf("Gone"), emailVerified: true });
    await create("user", person(id));
    await backend.mutation(onDelete, { model: "user", doc: person(id) });
    await until(async () => (await accountOf(id)) === null);
    await backend.mutation(onDelete, { model: "user", doc: person("Never there") });
  });

  it("go with their sessions and passwords when the account is deleted, however many there are", async () => {
    const { _id: id } = await authRow(backend, "user", fieldsOf("Here"));
    const { _id: other } = await authRow(backend, "user", fieldsOf("Other"));
    for (const userId of [id, other]) {
      await create("user", person(userId));
      await authRow(backend, "account", { userId, accountId: userId, providerId: "credential" });
    }
    for (let index = 0; index < 120; index++)
      await authRow(backend, "session", { userId: id, token: `${index}`, expiresAt: Date.now() + 1e9 });
    await authRow(backend, "session", { userId: other, token: "other", expiresAt: Date.now() + 1e9 });
    // More links in mails than one page of them, the person's last.
    for (let index = 0; index < 210; index++) await verification(`old-${index}`, other);
    for (const [token, value] of [
      ["lost", id],
      ["kept", other],
    ] as const)
      await verification(token, value);
    const { tokenIdentifier } = (await accountOf(id))!;
    await backend.withIdentity({ subject: id, tokenIdentifier }).mutation(mutations.users.deleteUser, {});
    await until(async () => (await accountOf(id)) === null);
    for (const model of ["session", "account"])
      expect([await countOf(model, "userId", id), await countOf(model, "userId", other)]).toEqual([0, 1]);
    expect([
      await countOf("verification", "identifier", "lost"),
      await countOf("verification", "identifier", "kept"),
    ]).toEqual([0, 1]);
    expect([await countOf("user", "_id", id), await countOf("user", "_id", other)]).toEqual([0, 1]);
  });
});

it("links in mails that are too old are swept, the others are not", async () => {
  await verification("too old", "somebody", Date.now() - 1);
  await verification("still good", "somebody");
  expect(await backend.mutation(internal.functions.mutations.sweep.sweep, {})).toMatchObject({
    verifications: 1,
  });
  expect(await countOf("verification", "identifier", "too old")).toBe(0);
  expect(await countOf("verification", "identifier", "still good")).toBe(1);
});

describe("sessions of Better Auth", () => {
  it("begin with the device, go on, and end", async () => {
    await create("user", person("Turing"));
    // Better Auth's own word for the address would be a header that anybody may send.
    const doc = { _id: "s1", userId: "Turing", userAgent, ipAddress: "6.6.6.6" };
    await backend.withRequestMetadata({ ip: "10.0.0.1" }).mutation(onCreate, { model: "session", doc });
    await create("session", { _id: "s2", userId: "unknown", userAgent });
    expect(await sessionOf("s2")).toBeNull();
    expect(await sessionOf("s1")).toMatchObject({
      isActive: true,
      deviceInfo: { browser: "Chrome", platform: "Linux", ipAddress: "10.0.0.1", userAgent },
    });
    const session = (await sessionOf("s1"))!;
    await backend.run((ctx) => ctx.db.patch("user_sessions", session._id, { lastActiveAt: 1 }));
    await backend.mutation(onUpdate, { model: "session", newDoc: { _id: "s1" }, oldDoc: { _id: "s1" } });
    expect((await sessionOf("s1"))?.lastActiveAt).toBeGreaterThan(1);
    const turing = (await accountOf("Turing"))!;
    const identity = { subject: "Turing", tokenIdentifier: turing.tokenIdentifier, sessionId: "s1" };
    const window = backend.withIdentity(identity);
    expect(await window.query(queries.sessions.getSessions, {})).toMatchObject([
      { browser: "Chrome", platform: "Linux", ipAddress: "10.0.0.1", isCurrent: true },
    ]);
    await backend.mutation(onDelete, { model: "session", doc: { _id: "s1" } });
    expect(await sessionOf("s1")).toMatchObject({ isActive: false, endedAt: expect.any(Number) });
    expect(await window.query(queries.users.getCurrentUser, {})).toBeNull();
  });

  it("end by themselves when nobody has been active for a month", async () => {
    await create("user", person("Idle"));
    await create("session", { _id: "s3", userId: "Idle", userAgent });
    const session = (await sessionOf("s3"))!;
    await backend.run((ctx) => ctx.db.patch("user_sessions", session._id, { lastActiveAt: 1 }));
    const swept = await backend.mutation(internal.functions.mutations.sweep.sweep, {});
    expect(swept).toMatchObject({ sessions: 1 });
    expect(await sessionOf("s3")).toMatchObject({ isActive: false });
  });

  it.each([
    ["Mozilla/5.0 (Windows NT 10.0) Chrome/1 Safari/1 Edg/1", "Edge", "Windows"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/17 Safari/605", "Safari", "macOS"],
    ["Mozilla/5.0 (Android 14; Mobile) Firefox/130.0", "Firefox", "Android"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/1", "Chrome", "iOS"],
    ["node", "Unknown browser", "Unknown system"],
    [null, "Unknown browser", "Unknown system"],
  ])("%s", (text, browser, platform) => {
    expect(describeDevice(text, null)).toEqual({ userAgent: text ?? "", browser, platform });
  });
});
