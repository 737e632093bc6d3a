import { describe, expect, it } from "vitest";
import type { Id } from "../../_generated/dataModel.js";
import {
  firstPage,
  listChats,
  listMessages,
  makeChat,
  mutations,
  queries,
  refusal,
  refusals,
  say,
  sharedChat,
  somebody,
  startBackend,
  until,
} from "../../tests/backend.support.ts";

const backend = startBackend();

describe("chats", () => {
  it("lists one's own with the last message, the newest first", async () => {
    const client = await somebody(backend);
    const first = await client.mutation(mutations.chats.createChat, { title: "First" });
    const second = await client.mutation(mutations.chats.createChat, {
      title: "Second",
      model: "gpt-4",
      tags: ["a", "a"],
    });
    expect((await listChats(client)).page.map(({ _id }) => _id)).toEqual([second, first]);
    await client.mutation(mutations.messages.sendMessage, { chatId: first, content: "Hello\n there" });
    const { page, isDone } = await listChats(client);
    expect(isDone).toBe(true);
    expect(page.map(({ _id }) => _id)).toEqual([first, second]);
    expect(page[0]).toMatchObject({
      messageCount: 1,
      lastMessage: { preview: "Hello there", role: "user", author: { name: expect.stringMatching(/^Ada/) } },
      access: { isOwner: true },
    });
    expect(page[1]).toMatchObject({ messageCount: 0, lastMessage: null, tags: ["a"], model: "gpt-4" });
    const created = await client.query(queries.chats.getUserChats, {
      sort: "created",
      paginationOpts: firstPage,
    });
    expect(created.page.map(({ _id }) => _id)).toEqual([second, first]);
  });

  it("pages through many", async () => {
    const client = await somebody(backend);
    const made: Id<"chats">[] = [];
    for (let index = 0; index < 7; index++)
      made.unshift(await client.mutation(mutations.chats.createChat, { title: `Chat ${index}` }));
    const seen: Id<"chats">[] = [];
    let cursor: string | null = null;
    for (let isDone = false; !isDone;) {
      const page: Awaited<ReturnType<typeof listChats>> = await client.query(queries.chats.getUserChats, {
        paginationOpts: { cursor, numItems: 3 },
      });
      seen.push(...page.page.map(({ _id }) => _id));
      ({ isDone } = page);
      cursor = page.continueCursor;
    }
    expect(seen).toEqual(made);
  });

  it("archives, renames, sets and removes", async () => {
    const client = await somebody(backend);
    const chatId = await client.mutation(mutations.chats.createChat, { settings: { temperature: 1 } });
    await client.mutation(mutations.chats.updateChat, {
      chatId,
      title: " Renamed ",
      model: "gpt-4o",
      systemPrompt: "Be kind.",
      settings: { maxTokens: 10 },
      isArchived: true,
      tags: ["x"],
    });
    expect((await listChats(client)).page).toEqual([]);
    expect((await listChats(client, true)).page).toHaveLength(1);
    expect(await client.query(queries.chats.getChatById, { chatId })).toMatchObject({
      title: "Renamed",
      model: "gpt-4o",
      systemPrompt: "Be kind.",
      settings: { temperature: 1, maxTokens: 10 },
      isArchived: true,
      tags: ["x"],
    });
    await client.mutation(mutations.chats.updateChat, {
      chatId,
      title: null,
      model: null,
      systemPrompt: null,
      settings: null,
    });
    const chat = await client.query(queries.chats.getChatById, { chatId });
    for (const field of ["title", "model", "systemPrompt", "settings"])
      expect(chat).not.toHaveProperty(field);
  });

  it.each([
    [{ title: "" }, "title"],
    [{ title: "x".repeat(201) }, "title"],
    [{ model: "hal" }, "model"],
    [{ systemPrompt: "x".repeat(2001) }, "systemPrompt"],
    [{ settings: { temperature: 3 } }, "settings.temperature"],
    [{ settings: { maxTokens: 0 } }, "settings.maxTokens"],
    [{ tags: [""] }, "tags"],
  ])("refuses %j, on making and on changing", async (bad, field) => {
    const client = await somebody(backend);
    const chatId = await client.mutation(mutations.chats.createChat, { title: "Good" });
    expect(await refusal(client.mutation(mutations.chats.createChat, bad))).toMatchObject({
      code: "invalid",
      field,
    });
    expect(await refusal(client.mutation(mutations.chats.updateChat, { chatId, ...bad }))).toMatchObject({
      field,
    });
    expect((await listChats(client)).page.map(({ title }) => title)).toEqual(["Good"]);
  });

  it("deletes: gone at once for everybody, and then with all that hangs on it", async () => {
    const { ada, bob, chatId } = await sharedChat(backend);
    await say(bob, chatId, "hello");
    for (const data of await refusals([
      bob.mutation(mutations.chats.deleteChat, { chatId }),
      bob.mutation(mutations.chats.updateChat, { chatId, title: "Mine" }),
    ]))
      expect(data).toMatchObject({ code: "forbidden" });
    await ada.mutation(mutations.chats.deleteChat, { chatId });
    expect(await ada.query(queries.chats.getChatById, { chatId })).toBeNull();
    expect((await listChats(ada)).page).toEqual([]);
    expect((await bob.query(queries.shares.getSharedChats, { paginationOpts: firstPage })).page).toEqual([]);
    expect(await refusal(listMessages(bob, chatId))).toMatchObject({ code: "not_found" });
    expect(await refusal(ada.mutation(mutations.chats.deleteChat, { chatId }))).toMatchObject({
      code: "not_found",
    });
    await until(() => backend.run(async (ctx) => (await ctx.db.get("chats", chatId)) === null));
    const left = await backend.run((ctx) => ctx.db.query("messages").collect());
    expect(left.filter((message) => message.chatId === chatId)).toEqual([]);
  });

  it("sets fields of the settings, and removes one", async () => {
    const client = await somebody(backend);
    const chatId = await client.mutation(mutations.chats.createChat, {
      settings: { temperature: 1, topP: 0.5 },
    });
    await client.mutation(mutations.chats.updateChat, {
      chatId,
      settings: { temperature: null, maxTokens: 9 },
    });
    expect((await client.query(queries.chats.getChatById, { chatId }))?.settings).toEqual({
      topP: 0.5,
      maxTokens: 9,
    });
  });

  it("starts with the person's own model", async () => {
    const client = await somebody(backend);
    await client.mutation(mutations.users.updateUser, { preferences: { defaultModel: "gpt-4o" } });
    const chatId = await makeChat(client);
    expect(await client.query(queries.chats.getChatById, { chatId })).toMatchObject({ model: "gpt-4o" });
    expect(await client.query(queries.chats.getAvailableModels, {})).toMatchObject({
      models: expect.arrayContaining(["gpt-4o"]),
      isStandIn: true,
    });
  });

  it("counts tags, and lists the chats with one", async () => {
    const client = await somebody(backend);
    const tagged = (tags: string[]) => client.mutation(mutations.chats.createChat, { tags });
    const both = await tagged(["work", "later"]);
    await tagged(["work"]);
    await tagged([]);
    expect(await client.query(queries.chats.getUserTags, {})).toEqual([
      { tag: "later", count: 1 },
      { tag: "work", count: 2 },
    ]);
    const later = await client.query(queries.chats.getUserChats, { tag: "later", paginationOpts: firstPage });
    expect(later.page.map(({ _id }) => _id)).toEqual([both]);
  });
});
