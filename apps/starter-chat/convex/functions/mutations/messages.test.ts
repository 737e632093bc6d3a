import { describe, expect, it } from "vitest";
import type { Id } from "../../_generated/dataModel.js";
import {
  type Caller,
  listMessages,
  makeChat,
  mutations,
  queries,
  refusal,
  say,
  sharedChat,
  somebody,
  startBackend,
  until,
} from "../../tests/backend.support.ts";

const backend = startBackend();

describe("messages", () => {
  it("sends parts, flattens them, counts, and lists both ways", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    const parts = [
      { type: "text" as const, text: "Here's my code:" },
      { type: "code" as const, language: "typescript", code: "const x = 1;" },
      { type: "text" as const, text: "What do you think?" },
    ];
    const one = await client.mutation(mutations.messages.sendMessage, { chatId, parts });
    const two = await say(client, chatId, "Two");
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
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    expect(await refusal(client.mutation(mutations.messages.sendMessage, { chatId, ...body }))).toMatchObject(
      {
        code: "invalid",
        field,
      },
    );
    expect((await listMessages(client, chatId)).page).toEqual([]);
  });

  it("takes the longest message", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    const messageId = await say(client, chatId, "世".repeat(100_000));
    await client.mutation(mutations.messages.updateMessage, { messageId, content: "界".repeat(100_000) });
    expect(await client.query(queries.messages.getMessageHistory, { messageId })).toHaveLength(1);
  });

  it("threads ten levels deep, within one chat", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    let parentMessageId = await say(client, chatId, "level 0");
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
    const other = await makeChat(client);
    expect(
      await refusal(
        client.mutation(mutations.messages.sendMessage, { chatId: other, content: "x", parentMessageId }),
      ),
    ).toMatchObject({ code: "invalid", field: "parentMessageId" });
  });

  it("edits one's own, keeping what was said before", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    const messageId = await say(client, chatId, "one");
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
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    const parent = await say(client, chatId, "parent");
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
    await client.mutation(mutations.messages.deleteMessage, { messageId: parent });
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

  it("names the chat after its first message", async () => {
    const client = await somebody(backend);
    const title = async (chatId: Id<"chats">) =>
      (await client.query(queries.chats.getChatById, { chatId }))?.title;
    const untitled = await makeChat(client);
    await say(client, untitled, "\n  Plans   for the launch\nsecond line");
    await say(client, untitled, "Something else");
    expect(await title(untitled)).toBe("Plans for the launch");
    const named = await makeChat(client, "Kept");
    await say(client, named, "Not a title");
    expect(await title(named)).toBe("Kept");
    const long = await makeChat(client);
    await say(client, long, "word ".repeat(50));
    expect((await title(long))?.length).toBeLessThanOrEqual(60);
  });

  it("deletes a message with more replies than one transaction touches", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    const messageId = await say(client, chatId, "parent");
    const replies = 450;
    await backend.run(async (ctx) => {
      for (let index = 0; index < replies; index++)
        await ctx.db.insert("messages", {
          chatId,
          role: "user",
          content: `reply ${index}`,
          parentMessageId: messageId,
          threadLevel: 1,
        });
    });
    await client.mutation(mutations.messages.deleteMessage, { messageId });
    expect((await listMessages(client, chatId)).page.map(({ content }) => content)).not.toContain("parent");
    expect(await refusal(client.mutation(mutations.messages.deleteMessage, { messageId }))).toMatchObject({
      code: "not_found",
    });
    await until(() => backend.run(async (ctx) => (await ctx.db.get("messages", messageId)) === null));
    const left = await backend.run((ctx) =>
      ctx.db
        .query("messages")
        .withIndex("by_chat_created", (q) => q.eq("chatId", chatId))
        .collect(),
    );
    expect(left).toHaveLength(replies);
    expect(left.filter(({ parentMessageId }) => parentMessageId !== undefined)).toEqual([]);
  });

  it("counts what is unread, and delivers what is read", async () => {
    const { ada, bob, chatId } = await sharedChat(backend);
    await say(ada, chatId, "one");
    await say(ada, chatId, "two");
    await say(bob, chatId, "three");
    const unread = async (client: Caller) =>
      (await client.query(queries.chats.getChatById, { chatId }))?.unread;
    expect([await unread(ada), await unread(bob)]).toEqual([1, 2]);
    await bob.mutation(mutations.messages.markRead, { chatId });
    expect([await unread(ada), await unread(bob)]).toEqual([1, 0]);
    expect((await listMessages(ada, chatId)).page.map(({ status }) => status)).toEqual([
      "delivered",
      "delivered",
      "sent",
    ]);
    await say(ada, chatId, "four");
    expect(await unread(bob)).toBe(1);
    await bob.mutation(mutations.messages.markRead, { chatId });
    await bob.mutation(mutations.messages.markRead, { chatId });
    expect(await unread(bob)).toBe(0);
    await backend.run(async (ctx) => {
      for (let index = 0; index < 120; index++)
        await ctx.db.insert("messages", { chatId, role: "assistant", content: "more" });
    });
    expect(await unread(bob)).toBe(99);
    const eve = await somebody(backend, "Eve");
    expect(await refusal(eve.mutation(mutations.messages.markRead, { chatId }))).toMatchObject({
      code: "not_found",
    });
  });
});
