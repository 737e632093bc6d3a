import type { ConvexHttpClient } from "convex/browser";
import { ConvexError } from "convex/values";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import type { ErrorData } from "../convex/model/errors.ts";
import { LiveServer } from "./support/liveServer.ts";

// Every function, called through the official client on a real server.

const { queries, mutations } = api.functions;

let server: LiveServer;
let count = 0;

beforeAll(async () => {
  server = await LiveServer.startWithApp();
});
afterAll(async () => {
  await server?.close();
});

/** Somebody new for each test: tests share the server, not the people. */
async function somebody(prefix = "Ada"): Promise<ConvexHttpClient & { email: string }> {
  const name = `${prefix} ${++count}`;
  const email = `${prefix.toLowerCase()}.${count}@example.com`;
  return Object.assign(await server.client(name, { email }), { email });
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

/** Attempts that must all be refused. They are watched from the start: none may fail unheard. */
function refusals(calls: readonly Promise<unknown>[]): Promise<ErrorData[]> {
  return Promise.all(calls.map(refusal));
}

const firstPage = { cursor: null, numItems: 50 };
const listMessages = (client: ConvexHttpClient, chatId: Id<"chats">, order: "asc" | "desc" = "asc") =>
  client.query(queries.messages.getChatMessages, { chatId, order, paginationOpts: firstPage });
const listChats = (client: ConvexHttpClient, archived = false) =>
  client.query(queries.chats.getUserChats, { archived, paginationOpts: firstPage });

async function untilDone(step: () => Promise<{ isDone: boolean; deleted: number }>) {
  let deleted = 0;
  for (let steps = 1; ; steps++) {
    const result = await step();
    deleted += result.deleted;
    if (result.isDone) return { steps, deleted };
    if (steps > 100) throw new Error("the cascade does not end");
  }
}

describe("users", () => {
  it("makes an account from the token, once", async () => {
    const newcomer = await server.client("New Comer", { hasAccount: false });
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
    const client = await server.client("Conan O'Neil!", { email: "conan@example.com", hasAccount: false });
    await client.mutation(mutations.users.createUser, {});
    expect(await client.query(queries.users.getCurrentUser, {})).toMatchObject({ name: "Conan O Neil" });
  });

  it("refuses whoever is not signed in", async () => {
    const stranger = server.anonymous();
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
    const first = await somebody();
    // The issuer's subject is the lower-cased address: the same person signs in, not another one.
    const again = await server.client("Again", { email: first.email.toUpperCase() });
    const [one, two] = await Promise.all([
      first.query(queries.users.getCurrentUser, {}),
      again.query(queries.users.getCurrentUser, {}),
    ]);
    expect(two?._id).toBe(one?._id);
    expect(two?.email).toBe(first.email);
  });

  it("updates name, picture and preferences, field by field", async () => {
    const client = await somebody();
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
    const [ada, bob] = [await somebody("Ada"), await somebody("Bob")];
    const userId = (await ada.query(queries.users.getCurrentUser, {}))!._id;
    const profile = await bob.query(queries.users.getUserById, { userId });
    expect(Object.keys(profile!).sort()).toEqual(["_id", "name"]);
    expect(await refusal(server.anonymous().query(queries.users.getUserById, { userId }))).toMatchObject({
      code: "unauthenticated",
    });
  });
});

describe("chats", () => {
  it("lists one's own with the last message, the newest first", async () => {
    const client = await somebody();
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
    const client = await somebody();
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
    const client = await somebody();
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
    const client = await somebody();
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

  it("deletes with all messages, in steps that can be taken up again", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    const total = 405;
    for (let sent = 0; sent < total; sent += 45)
      await Promise.all(
        Array.from({ length: 45 }, (_, index) =>
          client.mutation(mutations.messages.sendMessage, { chatId, content: `message ${sent + index}` }),
        ),
      );
    const first = await client.mutation(mutations.chats.deleteChat, { chatId });
    expect(first).toEqual({ isDone: false, deleted: 400 });
    // Interrupted here, the chat is still there to be deleted.
    expect(await client.query(queries.chats.getChatById, { chatId })).not.toBeNull();
    expect(await untilDone(() => client.mutation(mutations.chats.deleteChat, { chatId }))).toEqual({
      steps: 1,
      deleted: 6,
    });
    expect(await client.query(queries.chats.getChatById, { chatId })).toBeNull();
    expect(await refusal(listMessages(client, chatId))).toMatchObject({ code: "not_found" });
    expect(await refusal(client.mutation(mutations.chats.deleteChat, { chatId }))).toMatchObject({
      code: "not_found",
    });
  });
});

describe("messages", () => {
  it("sends parts, flattens them, counts, and lists both ways", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    const parts = [
      { type: "text" as const, text: "Here's my code:" },
      { type: "code" as const, language: "typescript", code: "const x = 1;" },
      { type: "text" as const, text: "What do you think?" },
    ];
    const one = await client.mutation(mutations.messages.sendMessage, { chatId, parts });
    const two = await client.mutation(mutations.messages.sendMessage, { chatId, content: "Two" });
    const { page } = await listMessages(client, chatId);
    expect(page[0]).toMatchObject({
      _id: one,
      role: "user",
      status: "sent",
      parts,
      content: "Here's my code: const x = 1; What do you think?",
      edited: false,
      threadLevel: 0,
      parent: null,
    });
    expect((await listMessages(client, chatId, "desc")).page.map(({ _id }) => _id)).toEqual([two, one]);
    expect(await client.query(queries.chats.getChatById, { chatId })).toMatchObject({ messageCount: 2 });
  });

  it.each([
    [{}, "content"],
    [{ content: " " }, "content"],
    [{ content: "x".repeat(100_001) }, "content"],
    [{ parts: [{ type: "image" as const, url: "javascript:1" }] }, "parts"],
  ])("refuses to send %#", async (body, field) => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    expect(await refusal(client.mutation(mutations.messages.sendMessage, { chatId, ...body }))).toMatchObject(
      {
        code: "invalid",
        field,
      },
    );
    expect((await listMessages(client, chatId)).page).toEqual([]);
  });

  it("takes the longest message", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    const messageId = await client.mutation(mutations.messages.sendMessage, {
      chatId,
      content: "世".repeat(100_000),
    });
    await client.mutation(mutations.messages.updateMessage, { messageId, content: "界".repeat(100_000) });
    expect(await client.query(queries.messages.getMessageHistory, { messageId })).toHaveLength(1);
  });

  it("threads ten levels deep, within one chat", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    let parentMessageId = await client.mutation(mutations.messages.sendMessage, {
      chatId,
      content: "level 0",
    });
    for (let level = 1; level <= 10; level++)
      parentMessageId = await client.mutation(mutations.messages.sendMessage, {
        chatId,
        content: `level ${level}`,
        parentMessageId,
      });
    const { page } = await listMessages(client, chatId);
    expect(page.at(-1)).toMatchObject({ threadLevel: 10, parent: { preview: "level 9" } });
    expect(
      await refusal(
        client.mutation(mutations.messages.sendMessage, { chatId, content: "level 11", parentMessageId }),
      ),
    ).toMatchObject({ code: "invalid", field: "parentMessageId" });
    const other = await client.mutation(mutations.chats.createChat, {});
    expect(
      await refusal(
        client.mutation(mutations.messages.sendMessage, { chatId: other, content: "x", parentMessageId }),
      ),
    ).toMatchObject({ code: "invalid", field: "parentMessageId" });
  });

  it("edits one's own, keeping what was said before", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    const messageId = await client.mutation(mutations.messages.sendMessage, { chatId, content: "one" });
    await client.mutation(mutations.messages.updateMessage, { messageId, content: "two" });
    await client.mutation(mutations.messages.updateMessage, { messageId, content: "two" }); // changes nothing
    await client.mutation(mutations.messages.updateMessage, { messageId, content: "three" });
    expect((await listMessages(client, chatId)).page[0]).toMatchObject({ content: "three", edited: true });
    const history = await client.query(queries.messages.getMessageHistory, { messageId });
    expect(history.map(({ previousContent }) => previousContent)).toEqual(["one", "two"]);
    expect(
      await refusal(client.mutation(mutations.messages.updateMessage, { messageId, content: "" })),
    ).toMatchObject({
      code: "invalid",
    });
  });

  it("deletes, and makes the replies messages of their own", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    const parent = await client.mutation(mutations.messages.sendMessage, { chatId, content: "parent" });
    const child = await client.mutation(mutations.messages.sendMessage, {
      chatId,
      content: "child",
      parentMessageId: parent,
    });
    const grandchild = await client.mutation(mutations.messages.sendMessage, {
      chatId,
      content: "grandchild",
      parentMessageId: child,
    });
    expect(await client.mutation(mutations.messages.deleteMessage, { messageId: parent })).toEqual({
      isDone: true,
      deleted: 1,
    });
    const { page } = await listMessages(client, chatId);
    expect(page).toMatchObject([
      { _id: child, parent: null, threadLevel: 0 },
      { _id: grandchild, parent: { _id: child } },
    ]);
    expect(await client.query(queries.chats.getChatById, { chatId })).toMatchObject({ messageCount: 2 });
    await client.mutation(mutations.messages.deleteMessage, { messageId: grandchild });
    const chat = await client.query(queries.chats.getChatById, { chatId });
    expect(chat).toMatchObject({ messageCount: 1, lastMessageAt: page[0]?._creationTime });
  });

  it("searches one's messages", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, { title: "Plans" });
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "the zebra plan" });
    expect(await refusal(client.query(queries.messages.searchMessages, { query: " " }))).toMatchObject({
      code: "invalid",
      field: "query",
    });
    const found = await client.query(queries.messages.searchMessages, { query: "zebra" });
    expect(found.map(({ preview, chatTitle }) => `${chatTitle}: ${preview}`)).toEqual([
      "Plans: the zebra plan",
    ]);
  });
});

describe("access: only one's own chats, and those shared with one", () => {
  it("gives a stranger nothing, whatever they call", async () => {
    const [ada, eve] = [await somebody("Ada"), await somebody("Eve")];
    const chatId = await ada.mutation(mutations.chats.createChat, { title: "Secret" });
    const messageId = await ada.mutation(mutations.messages.sendMessage, { chatId, content: "secret" });
    const shareId = await ada.mutation(mutations.shares.shareChat, {
      chatId,
      email: (await somebody("Bob")).email,
      canWrite: false,
    });
    expect(await eve.query(queries.chats.getChatById, { chatId })).toBeNull();
    const attempts = await refusals([
      listMessages(eve, chatId),
      eve.query(queries.messages.searchMessages, { query: "secret", chatId }),
      eve.query(queries.messages.getMessageHistory, { messageId }),
      eve.query(queries.shares.getChatShares, { chatId }),
      eve.mutation(mutations.chats.updateChat, { chatId, title: "Mine" }),
      eve.mutation(mutations.chats.deleteChat, { chatId }),
      eve.mutation(mutations.messages.sendMessage, { chatId, content: "hi" }),
      eve.mutation(mutations.messages.updateMessage, { messageId, content: "hi" }),
      eve.mutation(mutations.messages.deleteMessage, { messageId }),
      eve.mutation(mutations.shares.shareChat, { chatId, email: eve.email, canWrite: true }),
      eve.mutation(mutations.shares.revokeShare, { shareId }),
      eve.mutation(mutations.shares.leaveChat, { chatId }),
    ]);
    for (const data of attempts) expect(data).toMatchObject({ code: "not_found" });
    expect((await listChats(eve)).page).toEqual([]);
    expect((await eve.query(queries.shares.getSharedChats, { paginationOpts: firstPage })).page).toEqual([]);
    // Her own chat is no way in to a message of another one.
    const own = await eve.mutation(mutations.chats.createChat, {});
    expect(
      await refusal(
        eve.mutation(mutations.messages.sendMessage, {
          chatId: own,
          content: "x",
          parentMessageId: messageId,
        }),
      ),
    ).toMatchObject({ code: "invalid" });
    expect((await listMessages(ada, chatId)).page.map(({ content }) => content)).toEqual(["secret"]);
  });

  it("lets a reader read, and nothing else", async () => {
    const [ada, bob] = [await somebody("Ada"), await somebody("Bob")];
    const chatId = await ada.mutation(mutations.chats.createChat, { title: "Shared" });
    const messageId = await ada.mutation(mutations.messages.sendMessage, { chatId, content: "hello" });
    await ada.mutation(mutations.shares.shareChat, {
      chatId,
      email: ` ${bob.email.toUpperCase()} `,
      canWrite: false,
    });
    const shared = await bob.query(queries.shares.getSharedChats, { paginationOpts: firstPage });
    expect(shared.page).toMatchObject([
      {
        _id: chatId,
        title: "Shared",
        access: { isOwner: false, canRead: true, canWrite: false, canShare: false },
      },
    ]);
    expect((await listMessages(bob, chatId)).page).toHaveLength(1);
    const { members } = (await bob.query(queries.chats.getChatById, { chatId }))!;
    expect(members.map(({ name }) => name.split(" ")[0])).toEqual(["Ada", "Bob"]);
    for (const data of await refusals([
      bob.mutation(mutations.messages.sendMessage, { chatId, content: "hi" }),
      bob.mutation(mutations.messages.updateMessage, { messageId, content: "hi" }),
      bob.mutation(mutations.messages.deleteMessage, { messageId }),
      bob.mutation(mutations.chats.updateChat, { chatId, title: "Mine" }),
      bob.mutation(mutations.chats.deleteChat, { chatId }),
      bob.query(queries.shares.getChatShares, { chatId }),
      bob.mutation(mutations.shares.shareChat, { chatId, email: ada.email, canWrite: true }),
    ]))
      expect(data).toMatchObject({ code: "forbidden" });
  });

  it("lets a writer write and change their own; the owner may delete theirs", async () => {
    const [ada, bob] = [await somebody("Ada"), await somebody("Bob")];
    const chatId = await ada.mutation(mutations.chats.createChat, {});
    const hers = await ada.mutation(mutations.messages.sendMessage, { chatId, content: "hers" });
    await ada.mutation(mutations.shares.shareChat, { chatId, email: bob.email, canWrite: true });
    const his = await bob.mutation(mutations.messages.sendMessage, { chatId, content: "his" });
    const also = await bob.mutation(mutations.messages.sendMessage, { chatId, content: "also his" });
    await bob.mutation(mutations.messages.updateMessage, { messageId: his, content: "his, changed" });
    for (const data of await refusals([
      bob.mutation(mutations.messages.updateMessage, { messageId: hers, content: "x" }),
      bob.mutation(mutations.messages.deleteMessage, { messageId: hers }),
      ada.mutation(mutations.messages.updateMessage, { messageId: his, content: "x" }),
    ]))
      expect(data).toMatchObject({ code: "forbidden" });
    await ada.mutation(mutations.messages.deleteMessage, { messageId: his });
    await bob.mutation(mutations.messages.deleteMessage, { messageId: also });
    expect((await listMessages(ada, chatId)).page.map(({ content }) => content)).toEqual(["hers"]);
  });

  it("ends with the share: revoked, left, expired", async () => {
    const [ada, bob] = [await somebody("Ada"), await somebody("Bob")];
    const chatId = await ada.mutation(mutations.chats.createChat, {});
    const share = (expiresAt?: number) =>
      ada.mutation(mutations.shares.shareChat, {
        chatId,
        email: bob.email,
        canWrite: true,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      });
    const first = await share();
    expect(await share()).toBe(first); // sharing again changes the share, it does not make another
    await ada.mutation(mutations.shares.revokeShare, { shareId: first });
    expect(await bob.query(queries.chats.getChatById, { chatId })).toBeNull();
    expect(await share()).not.toBe(first);
    await bob.mutation(mutations.shares.leaveChat, { chatId });
    expect(await refusal(listMessages(bob, chatId))).toMatchObject({ code: "not_found" });
    expect(await refusal(share(Date.now() - 1000))).toMatchObject({ code: "invalid", field: "expiresAt" });
    await share(Date.now() + 1500);
    expect((await listMessages(bob, chatId)).page).toEqual([]);
    // A mutation looks at the clock each time; a query's answer that did so is reused for some seconds.
    await expect
      .poll(
        () =>
          bob.mutation(mutations.messages.sendMessage, { chatId, content: "still here" }).then(
            () => "open",
            (error: ConvexError<ErrorData>) => error.data.code,
          ),
        { timeout: 10_000, interval: 200 },
      )
      .toBe("not_found");
    const freshQuery = { chatId, paginationOpts: { cursor: null, numItems: 7 } };
    expect(await refusal(bob.query(queries.messages.getChatMessages, freshQuery))).toMatchObject({
      code: "not_found",
    });
    expect((await bob.query(queries.shares.getSharedChats, { paginationOpts: firstPage })).page).toEqual([]);
  });

  it("lets nobody give more than they have", async () => {
    const [ada, bob, cleo] = [await somebody("Ada"), await somebody("Bob"), await somebody("Cleo")];
    const chatId = await ada.mutation(mutations.chats.createChat, {});
    const end = Date.now() + 3_600_000;
    await ada.mutation(mutations.shares.shareChat, {
      chatId,
      email: bob.email,
      canWrite: false,
      canShare: true,
      expiresAt: end,
    });
    expect(
      await refusal(bob.mutation(mutations.shares.shareChat, { chatId, email: cleo.email, canWrite: true })),
    ).toMatchObject({ code: "forbidden" });
    expect(
      await refusal(bob.mutation(mutations.shares.shareChat, { chatId, email: bob.email, canWrite: false })),
    ).toMatchObject({ code: "forbidden" });
    await bob.mutation(mutations.shares.shareChat, { chatId, email: cleo.email, canWrite: false });
    const people = await ada.query(queries.shares.getChatShares, { chatId });
    expect(people).toMatchObject([
      { email: bob.email, permissions: { canWrite: false, canShare: true } },
      { email: cleo.email, permissions: { canWrite: false, canShare: false }, expiresAt: end },
    ]);
    expect(
      await refusal(bob.mutation(mutations.shares.shareChat, { chatId, email: cleo.email, canWrite: false })),
    ).toMatchObject({ code: "conflict" });
    expect(
      await refusal(bob.mutation(mutations.shares.revokeShare, { shareId: people[1]!._id })),
    ).toMatchObject({
      code: "forbidden",
    });
    for (const [email, code] of [
      ["nobody@example.com", "not_found"],
      ["no address", "invalid"],
      [ada.email, "invalid"],
    ] as const)
      expect(
        await refusal(ada.mutation(mutations.shares.shareChat, { chatId, email, canWrite: true })),
      ).toMatchObject({
        code,
        field: "email",
      });
  });

  it("refuses ids of other tables and made-up ids", async () => {
    const client = await somebody();
    const chatId = await client.mutation(mutations.chats.createChat, {});
    await expect(listMessages(client, "nonsense" as Id<"chats">)).rejects.toThrow(/ArgumentValidationError/);
    await expect(
      client.query(queries.users.getUserById, { userId: chatId as unknown as Id<"users"> }),
    ).rejects.toThrow(/ArgumentValidationError/);
  });
});

describe("deleting an account", () => {
  it("takes everything of theirs, and nothing of others'", async () => {
    const [ada, bob] = [await somebody("Ada"), await somebody("Bob")];
    const hers = await ada.mutation(mutations.chats.createChat, { title: "Hers" });
    const his = await bob.mutation(mutations.chats.createChat, { title: "His" });
    await ada.mutation(mutations.shares.shareChat, { chatId: hers, email: bob.email, canWrite: true });
    await bob.mutation(mutations.shares.shareChat, { chatId: his, email: ada.email, canWrite: true });
    await bob.mutation(mutations.messages.sendMessage, { chatId: hers, content: "in hers, by him" });
    const byHer = await ada.mutation(mutations.messages.sendMessage, {
      chatId: his,
      content: "in his, by her",
    });
    const reply = await bob.mutation(mutations.messages.sendMessage, {
      chatId: his,
      content: "reply",
      parentMessageId: byHer,
    });
    const { deleted } = await untilDone(() => ada.mutation(mutations.users.deleteUser, {}));
    // Two shares, the chat and the message in it, her message in his, herself.
    expect(deleted).toBe(6);
    expect(await ada.query(queries.users.getCurrentUser, {})).toBeNull();
    expect(await ada.mutation(mutations.users.deleteUser, {})).toEqual({ isDone: true, deleted: 0 });
    expect(await bob.query(queries.chats.getChatById, { chatId: hers })).toBeNull();
    expect((await listMessages(bob, his)).page).toMatchObject([{ _id: reply, parent: null, threadLevel: 0 }]);
    expect(await bob.query(queries.chats.getChatById, { chatId: his })).toMatchObject({ messageCount: 1 });
    expect(await bob.query(queries.shares.getChatShares, { chatId: his })).toEqual([]);
    // The same person may come again, as somebody new.
    await ada.mutation(mutations.users.createUser, {});
    expect((await listChats(ada)).page).toEqual([]);
  });

  it("allows nothing else once it has begun, and can be taken up again", async () => {
    const ada = await somebody("Ada");
    const chatId = await ada.mutation(mutations.chats.createChat, {});
    for (let sent = 0; sent < 450; sent += 50)
      await Promise.all(
        Array.from({ length: 50 }, () =>
          ada.mutation(mutations.messages.sendMessage, { chatId, content: "x" }),
        ),
      );
    expect((await ada.mutation(mutations.users.deleteUser, {})).isDone).toBe(false);
    expect(await ada.query(queries.users.getCurrentUser, {})).toMatchObject({ isActive: false });
    for (const data of await refusals([
      ada.mutation(mutations.users.createUser, {}),
      ada.mutation(mutations.users.updateUser, { name: "Back" }),
      ada.mutation(mutations.chats.createChat, {}),
      ada.mutation(mutations.messages.sendMessage, { chatId, content: "x" }),
      listChats(ada),
    ]))
      expect(data).toMatchObject({ code: "account_deleting" });
    await untilDone(() => ada.mutation(mutations.users.deleteUser, {}));
    expect(await ada.query(queries.users.getCurrentUser, {})).toBeNull();
  });
});
