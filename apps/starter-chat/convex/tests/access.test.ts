import { ConvexError } from "convex/values";
import { describe, expect, it } from "vitest";
import type { Id } from "../_generated/dataModel.js";
import type { ErrorData } from "../model/errors.ts";
import {
  firstPage,
  listChats,
  listMessages,
  mutations,
  queries,
  refusal,
  refusals,
  somebody,
  startBackend,
} from "./backend.support.ts";

const backend = startBackend();

describe("access: only one's own chats, and those shared with one", () => {
  it("gives a stranger nothing, whatever they call", async () => {
    const [ada, eve] = [await somebody(backend, "Ada"), await somebody(backend, "Eve")];
    const chatId = await ada.mutation(mutations.chats.createChat, { title: "Secret" });
    const messageId = await ada.mutation(mutations.messages.sendMessage, { chatId, content: "secret" });
    const shareId = await ada.mutation(mutations.shares.shareChat, {
      chatId,
      email: (await somebody(backend, "Bob")).email,
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
      eve.mutation(mutations.shares.updateShare, { shareId, canWrite: true }),
      eve.mutation(mutations.shares.createShareLink, { chatId, canWrite: false }),
      eve.query(queries.shares.getShareLinks, { chatId }),
      eve.mutation(mutations.presence.heartbeat, { chatId, sessionId: "w", interval: 10_000 }),
      eve.mutation(mutations.presence.setTyping, { chatId, isTyping: true }),
      eve.query(queries.presence.getPresence, { chatId }),
      eve.mutation(mutations.assistant.askAssistant, { chatId }),
      eve.mutation(mutations.attachments.generateUploadUrl, { chatId }),
      eve.query(queries.attachments.getChatAttachments, { chatId, paginationOpts: firstPage }),
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
    const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
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
    const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
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
    const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
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
    await share(Date.now() + 4000);
    expect((await listMessages(bob, chatId)).page).toEqual([]);
    // A mutation looks at the clock each time; a query's answer that did so is reused for some seconds.
    await expect
      .poll(
        () =>
          bob.mutation(mutations.messages.sendMessage, { chatId, content: "still here" }).then(
            () => "open",
            (error: ConvexError<ErrorData>) => error.data.code,
          ),
        { timeout: 40_000, interval: 100 },
      )
      .toBe("not_found");
    const freshQuery = { chatId, paginationOpts: { cursor: null, numItems: 7 } };
    expect(await refusal(bob.query(queries.messages.getChatMessages, freshQuery))).toMatchObject({
      code: "not_found",
    });
    expect((await bob.query(queries.shares.getSharedChats, { paginationOpts: firstPage })).page).toEqual([]);
  });

  it("lets nobody give more than they have", async () => {
    const [ada, bob, cleo] = [
      await somebody(backend, "Ada"),
      await somebody(backend, "Bob"),
      await somebody(backend, "Cleo"),
    ];
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
    const client = await somebody(backend);
    const chatId = await client.mutation(mutations.chats.createChat, {});
    await expect(listMessages(client, "nonsense" as Id<"chats">)).rejects.toThrow(/ArgumentValidationError/);
    await expect(
      client.query(queries.users.getUserById, { userId: chatId as unknown as Id<"users"> }),
    ).rejects.toThrow(/ArgumentValidationError/);
  });
});
