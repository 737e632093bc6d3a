import { describe, expect, it } from "vitest";
import { internal } from "../_generated/api.js";
import type { Id } from "../_generated/dataModel.js";
import {
  insertFile,
  listChats,
  listMessages,
  makeChat,
  mutations,
  type Person,
  queries,
  refusals,
  say,
  sharedChat,
  somebody,
  startBackend,
  until,
} from "./backend.support.ts";

const backend = startBackend();
const isGone = (id: Id<"users"> | Id<"chats">) => backend.run(async (ctx) => (await ctx.db.get(id)) === null);

/** Writes many messages quickly: what is tested is how they go. */
async function fill(person: Person, chatId: Id<"chats">, total: number): Promise<void> {
  for (let made = 0; made < total; made += 1000)
    await backend.run(async (ctx) => {
      for (let index = made; index < Math.min(total, made + 1000); index++)
        await ctx.db.insert("messages", { chatId, userId: person.userId, role: "user", content: `${index}` });
    });
}

describe("deleting an account", () => {
  it("takes everything of theirs, and nothing of others'", async () => {
    const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
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
    await ada.mutation(mutations.messages.markRead, { chatId: his });
    await ada.mutation(mutations.presence.setTyping, { chatId: his, isTyping: true });
    await ada.mutation(mutations.users.deleteUser, {});
    await until(() => isGone(ada.userId));
    expect(await ada.query(queries.users.getCurrentUser, {})).toBeNull();
    expect(await ada.mutation(mutations.users.deleteUser, {})).toBeNull();
    expect(await bob.query(queries.chats.getChatById, { chatId: hers })).toBeNull();
    expect((await listMessages(bob, his)).page).toMatchObject([{ _id: reply, parent: null, threadLevel: 0 }]);
    expect(await bob.query(queries.chats.getChatById, { chatId: his })).toMatchObject({ messageCount: 1 });
    expect(await bob.query(queries.shares.getChatShares, { chatId: his })).toEqual([]);
    // The same person may come again, as somebody new.
    await ada.mutation(mutations.users.createUser, {});
    expect((await listChats(ada)).page).toEqual([]);
  });

  it("allows nothing else once it has begun, and goes on by itself to the end", async () => {
    const ada = await somebody(backend, "Ada");
    const chatId = await makeChat(ada);
    await fill(ada, chatId, 3_000);
    await ada.mutation(mutations.users.deleteUser, {});
    expect(await ada.query(queries.users.getCurrentUser, {})).toMatchObject({ isActive: false });
    for (const data of await refusals([
      ada.mutation(mutations.users.createUser, {}),
      ada.mutation(mutations.users.updateUser, { name: "Back" }),
      makeChat(ada),
      say(ada, chatId, "x"),
      listChats(ada),
    ]))
      expect(data).toMatchObject({ code: "account_deleting" });
    await ada.mutation(mutations.users.deleteUser, {}); // once more changes nothing
    await until(() => isGone(ada.userId));
    const left = await backend.run((ctx) =>
      ctx.db
        .query("messages")
        .withIndex("by_chat_created", (q) => q.eq("chatId", chatId))
        .first(),
    );
    expect(left).toBeNull();
  });

  it("is taken up by the sweep where nothing goes on with it", async () => {
    const ada = await somebody(backend, "Ada");
    await say(ada, await makeChat(ada), "left over");
    await backend.run((ctx) => ctx.db.patch("users", ada.userId, { isActive: false }));
    expect(await backend.mutation(internal.functions.mutations.sweep.sweep, {})).toMatchObject({ users: 1 });
    await until(() => isGone(ada.userId));
  });
});

describe("deleting a chat", () => {
  it("takes messages, shares, reads, typing and files with it, in steps", async () => {
    const { ada, bob, chatId } = await sharedChat(backend);
    await fill(ada, chatId, 900);
    await bob.mutation(mutations.messages.markRead, { chatId });
    await bob.mutation(mutations.presence.setTyping, { chatId, isTyping: true });
    await bob.mutation(mutations.presence.heartbeat, { chatId, sessionId: "w", interval: 10_000 });
    const fileId = await insertFile(backend, bob, chatId);
    await ada.mutation(mutations.chats.deleteChat, { chatId });
    await until(() => isGone(chatId));
    const left = await backend.run(async (ctx) => ({
      file: await ctx.storage.getUrl(fileId),
      rows: await Promise.all(
        (["messages", "chat_shares", "chat_reads", "chat_typing", "chat_attachments"] as const).map(
          async (table) =>
            (await ctx.db.query(table).collect()).filter((row) => row.chatId === chatId).length,
        ),
      ),
    }));
    expect(left).toEqual({ file: null, rows: [0, 0, 0, 0, 0] });
  });
});
