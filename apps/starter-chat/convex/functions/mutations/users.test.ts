import { describe, expect, it } from "vitest";
import {
  listChats,
  mutations,
  queries,
  refusal,
  refusals,
  somebody,
  startBackend,
  visitor,
} from "../../tests/backend.support.ts";

const backend = startBackend();

describe("users", () => {
  it("makes an account from the token, once", async () => {
    const newcomer = visitor(backend, "New Comer", "new.comer@example.com");
    expect(await newcomer.query(queries.users.getCurrentUser, {})).toBeNull();
    expect(await refusal(newcomer.mutation(mutations.chats.createChat, {}))).toMatchObject({
      code: "no_account",
    });
    const id = await newcomer.mutation(mutations.users.createUser, { preferences: { theme: "dark" } });
    expect(await newcomer.mutation(mutations.users.createUser, { name: "Other" })).toBe(id);
    expect(await newcomer.query(queries.users.getCurrentUser, {})).toMatchObject({
      _id: id,
      name: "New Comer",
      email: "new.comer@example.com",
      preferences: { theme: "dark" },
      isActive: true,
    });
  });

  it("turns a name the rule would refuse into one it takes", async () => {
    const client = visitor(backend, "Conan O'Neil!", "conan@example.com");
    await client.mutation(mutations.users.createUser, {});
    expect(await client.query(queries.users.getCurrentUser, {})).toMatchObject({ name: "Conan O Neil" });
  });

  it("refuses whoever is not signed in", async () => {
    const stranger = backend;
    expect(await stranger.query(queries.users.getCurrentUser, {})).toBeNull();
    for (const data of await refusals([
      stranger.mutation(mutations.users.createUser, {}),
      stranger.mutation(mutations.users.updateUser, { name: "X" }),
      stranger.mutation(mutations.users.deleteUser, {}),
      stranger.mutation(mutations.chats.createChat, {}),
      listChats(stranger),
    ]))
      expect(data).toMatchObject({ code: "unauthenticated" });
  });

  it("keeps e-mail addresses unique, whatever their case", async () => {
    const first = await somebody(backend);
    const other = backend.withIdentity({
      subject: "somebody else",
      issuer: "https://issuer.example",
      email: first.email.toUpperCase(),
      emailVerified: true,
    });
    expect(await refusal(other.mutation(mutations.users.createUser, {}))).toMatchObject({
      code: "conflict",
      field: "email",
    });
    expect(await other.query(queries.users.getCurrentUser, {})).toBeNull();
  });

  it("knows an address only once it is confirmed", async () => {
    const eve = visitor(backend, "Eve", "victim@example.com", false);
    await eve.mutation(mutations.users.createUser, {});
    const account = await eve.query(queries.users.getCurrentUser, {});
    expect(account).toMatchObject({ name: "Eve", emailVerified: false });
    expect(account).not.toHaveProperty("email");
  });

  it("updates name, picture and preferences, field by field", async () => {
    const client = await somebody(backend);
    await client.mutation(mutations.users.updateUser, {
      name: "  Grace  Hopper ",
      image: "https://example.com/g.png",
      preferences: { theme: "dark", language: "en" },
    });
    await client.mutation(mutations.users.updateUser, { preferences: { defaultModel: "gpt-4" } });
    expect(await client.query(queries.users.getCurrentUser, {})).toMatchObject({
      name: "Grace Hopper",
      image: "https://example.com/g.png",
      preferences: { theme: "dark", language: "en", defaultModel: "gpt-4" },
    });
    await client.mutation(mutations.users.updateUser, { image: null });
    expect((await client.query(queries.users.getCurrentUser, {}))?.image).toBeUndefined();
    expect(await refusal(client.mutation(mutations.users.updateUser, { name: "a@b" }))).toMatchObject({
      code: "invalid",
      field: "name",
    });
    await expect(
      client.mutation(mutations.users.updateUser, { preferences: { theme: "pink" as "dark" } }),
    ).rejects.toThrow(/theme/);
  });

  it("shows others the name, never the address", async () => {
    const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
    const userId = (await ada.query(queries.users.getCurrentUser, {}))!._id;
    const profile = await bob.query(queries.users.getUserById, { userId });
    expect(Object.keys(profile!).sort()).toEqual(["_id", "name"]);
    expect(await refusal(backend.query(queries.users.getUserById, { userId }))).toMatchObject({
      code: "unauthenticated",
    });
  });

  it("ends every call of a session that has been ended", async () => {
    const ada = await somebody(backend);
    const session = (sessionId: string) =>
      backend.withIdentity({ subject: ada.email, issuer: "https://issuer.example", sessionId });
    await backend.run(async (ctx) => {
      const times = { startedAt: 1, lastActiveAt: 1 };
      await ctx.db.insert("user_sessions", {
        userId: ada.userId,
        sessionId: "open",
        isActive: true,
        ...times,
      });
      await ctx.db.insert("user_sessions", {
        userId: ada.userId,
        sessionId: "shut",
        isActive: false,
        ...times,
      });
    });
    expect(await session("open").query(queries.users.getCurrentUser, {})).toMatchObject({ _id: ada.userId });
    expect(await session("shut").query(queries.users.getCurrentUser, {})).toBeNull();
    expect(await session("open").query(queries.sessions.isSessionOpen, {})).toBe(true);
    expect(await session("shut").query(queries.sessions.isSessionOpen, {})).toBe(false);
    for (const data of await refusals([
      session("shut").mutation(mutations.chats.createChat, {}),
      session("shut").mutation(mutations.users.createUser, {}),
      session("shut").mutation(mutations.users.deleteUser, {}),
      session("shut").query(queries.sessions.getSessions, {}),
    ]))
      expect(data).toMatchObject({ code: "unauthenticated" });

    // What goes on says so, and nothing else does.
    await session("open").mutation(mutations.users.recordActivity, {});
    await session("shut").mutation(mutations.users.recordActivity, {});
    const rows = await backend.run((ctx) => ctx.db.query("user_sessions").collect());
    expect(rows.map(({ sessionId, lastActiveAt }) => [sessionId, lastActiveAt > 1])).toEqual([
      ["open", true],
      ["shut", false],
    ]);
    expect(await session("open").query(queries.sessions.getSessions, {})).toMatchObject([
      { isCurrent: true, browser: "Unknown browser" },
    ]);
  });
});
