import { describe, expect, it, vi } from "vitest";
import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import { endShare } from "../../model/shares.ts";
import {
  firstPage,
  insertFile,
  listMessages,
  makeChat,
  mutations,
  queries,
  refusal,
  refusals,
  say,
  somebody,
  startBackend,
  visitor,
} from "../../tests/backend.support.ts";

const backend = startBackend();
const { shares } = mutations;

async function chatOf(name: string) {
  const owner = await somebody(backend, name);
  const chatId = await makeChat(owner, `${name}'s chat`);
  await say(owner, chatId, "hello");
  return { owner, chatId };
}
/** Nobody is signed in. */
const openLink = (token: string) => backend.query(queries.shares.getSharedChatByToken, { token });
const readLink = (token: string) =>
  backend.query(queries.shares.getSharedMessages, { token, paginationOpts: firstPage });

describe("a link", () => {
  it("opens the chat to whoever has it, to read, and counts", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const { token, shareId } = await owner.mutation(shares.createShareLink, { chatId, canWrite: false });
    expect(token).toMatch(/^[0-9a-f]{32}$/);
    expect(await openLink(token)).toMatchObject({
      chatId,
      title: "Ada's chat",
      messageCount: 1,
      permissions: { canRead: true, canWrite: false, canShare: false },
      isMember: false,
    });
    expect((await readLink(token)).page.map(({ content }) => content)).toEqual(["hello"]);
    await backend.mutation(shares.recordShareAccess, { token });
    await backend.mutation(shares.recordShareAccess, { token });
    expect(await owner.query(queries.shares.getShareLinks, { chatId })).toMatchObject([
      { _id: shareId, token, accessCount: 2 },
    ]);
    expect(await owner.query(queries.shares.getChatShares, { chatId })).toEqual([]);
    expect(await owner.query(queries.chats.getChatById, { chatId })).toMatchObject({ isShared: true });
    // Reading is all: whoever has not joined has no rights on the chat itself.
    const stranger = await somebody(backend, "Eve");
    expect(await refusal(listMessages(stranger, chatId))).toMatchObject({ code: "not_found" });
  });

  it("that does not exist opens nothing", async () => {
    const { owner, chatId } = await chatOf("Ada");
    // The token of a share with a person is no link.
    const bob = await somebody(backend, "Bob");
    await owner.mutation(shares.shareChat, { chatId, email: bob.email, canWrite: true });
    const personal = await backend.run(async (ctx) => {
      const [share] = await ctx.db
        .query("chat_shares")
        .withIndex("by_chat", (q) => q.eq("chatId", chatId))
        .collect();
      return share?.shareToken ?? "";
    });
    for (const token of ["", "0".repeat(32), personal]) {
      expect(await openLink(token)).toBeNull();
      for (const data of await refusals([
        readLink(token),
        backend.mutation(shares.recordShareAccess, { token }),
        bob.mutation(shares.joinByToken, { token }),
      ]))
        expect(data).toMatchObject({ code: "not_found" });
    }
  });

  it("lets people join with its rights, and takes them along when it ends", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const { token, shareId } = await owner.mutation(shares.createShareLink, { chatId, canWrite: true });
    expect(await refusal(backend.mutation(shares.joinByToken, { token }))).toMatchObject({
      code: "unauthenticated",
    });
    const bob = await somebody(backend, "Bob");
    expect(await bob.mutation(shares.joinByToken, { token })).toBe(chatId);
    expect(await bob.mutation(shares.joinByToken, { token })).toBe(chatId); // once is enough
    await say(bob, chatId, "hi");
    expect(await bob.query(queries.shares.getSharedChatByToken, { token })).toMatchObject({ isMember: true });
    expect(await owner.query(queries.shares.getChatShares, { chatId })).toHaveLength(1);
    expect(await owner.mutation(shares.joinByToken, { token })).toBe(chatId); // the owner is in it anyway
    await owner.mutation(shares.revokeShare, { shareId });
    expect(await openLink(token)).toBeNull();
    expect(await refusal(listMessages(bob, chatId))).toMatchObject({ code: "not_found" });
  });

  it("gives a new share to whoever has an old one that is over", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const bob = await somebody(backend, "Bob");
    await backend.run(async (ctx) => {
      await ctx.db.insert("chat_shares", {
        chatId,
        ownerId: owner.userId,
        sharedWithUserId: bob.userId,
        shareToken: "old",
        permissions: { canRead: true, canWrite: false, canShare: false },
        expiresAt: 1,
        isActive: true,
      });
    });
    const { token } = await owner.mutation(shares.createShareLink, { chatId, canWrite: true });
    await bob.mutation(shares.joinByToken, { token });
    await say(bob, chatId, "I can write");
  });

  it("ends with the chat, and with the owner's account", async () => {
    const [one, two] = [await chatOf("Ada"), await chatOf("Bob")];
    const links = [];
    for (const { owner, chatId } of [one, two])
      links.push(await owner.mutation(shares.createShareLink, { chatId, canWrite: false }));
    await one.owner.mutation(mutations.chats.deleteChat, { chatId: one.chatId });
    await two.owner.mutation(mutations.users.deleteUser, {});
    for (const { token } of links) expect(await openLink(token)).toBeNull();
  });

  it("shows its chat's files", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const { token } = await owner.mutation(shares.createShareLink, { chatId, canWrite: false });
    const fileId = await insertFile(backend, owner, chatId);
    const other = await backend.run((ctx) => ctx.storage.store(new Blob(["elsewhere"])));
    const look = (id: Id<"_storage">, by = token) =>
      backend.query(queries.shares.getSharedFileUrl, { token: by, fileId: id });
    expect(await look(fileId)).toMatchObject({ url: expect.stringMatching(/^http/) });
    expect(await look(other)).toBeNull();
    expect(await look(fileId, "nonsense")).toBeNull();
  });

  it("is not made, seen or handed on by those who may not", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const [reader, sharer] = [await somebody(backend, "Rita"), await somebody(backend, "Sam")];
    await owner.mutation(shares.shareChat, { chatId, email: reader.email, canWrite: true });
    await owner.mutation(shares.shareChat, { chatId, email: sharer.email, canWrite: false, canShare: true });
    const { shareId } = await owner.mutation(shares.createShareLink, { chatId, canWrite: true });
    for (const data of await refusals([
      reader.mutation(shares.createShareLink, { chatId, canWrite: false }),
      reader.query(queries.shares.getShareLinks, { chatId }),
      sharer.mutation(shares.createShareLink, { chatId, canWrite: true }),
      sharer.mutation(shares.revokeShare, { shareId }),
      sharer.mutation(shares.updateShare, { shareId, canWrite: true }),
    ]))
      expect(data).toMatchObject({ code: "forbidden" });
    // The link that lets one write is none for somebody who may only read.
    expect(await sharer.query(queries.shares.getShareLinks, { chatId })).toEqual([]);
    await sharer.mutation(shares.createShareLink, { chatId, canWrite: false });
    expect(await sharer.query(queries.shares.getShareLinks, { chatId })).toHaveLength(1);
  });
});

describe("the end of a share", () => {
  it("comes by itself, in open windows too", async () => {
    vi.useFakeTimers();
    try {
      const { owner, chatId } = await chatOf("Ada");
      const bob = await somebody(backend, "Bob");
      const expiresAt = Date.now() + 60_000;
      await owner.mutation(shares.shareChat, { chatId, email: bob.email, canWrite: true, expiresAt });
      const link = await owner.mutation(shares.createShareLink, { chatId, canWrite: false, expiresAt });
      const list = await bob.subscribe(queries.shares.getSharedChats, { paginationOpts: firstPage });
      const page = await backend.subscribe(queries.shares.getSharedChatByToken, { token: link.token });
      expect([list.current.page.length, page.current?.chatId]).toEqual([1, chatId]);
      await backend.passTime(61_000, (ms) => vi.advanceTimersByTime(ms));
      await Promise.all([list.settled(), page.settled()]);
      expect([list.current.page.length, page.current]).toEqual([0, null]);
      list.unsubscribe();
      page.unsubscribe();
    } finally {
      vi.useRealTimers();
    }
  });

  it("moves with the share; what has been prolonged goes on", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const bob = await somebody(backend, "Bob");
    const soon = Date.now() + 60_000;
    const share = { chatId, email: bob.email, canWrite: true };
    const shareId = await owner.mutation(shares.shareChat, { ...share, expiresAt: soon });
    await owner.mutation(shares.updateShare, { shareId, expiresAt: null, canWrite: false, canShare: true });
    expect(await owner.query(queries.shares.getChatShares, { chatId })).toMatchObject([
      { permissions: { canRead: true, canWrite: false, canShare: true } },
    ]);
    expect(await owner.query(queries.shares.getChatShares, { chatId })).not.toMatchObject([
      { expiresAt: expect.anything() },
    ]);
    await backend.mutation(internal.functions.mutations.shares.endExpired, { shareId });
    expect((await listMessages(bob, chatId)).page).toHaveLength(1);
    expect(
      await refusal(owner.mutation(shares.updateShare, { shareId, expiresAt: Date.now() - 1 })),
    ).toMatchObject({ code: "invalid", field: "expiresAt" });
    await backend.run((ctx) => endShare(ctx, shareId));
    expect(await refusal(owner.mutation(shares.updateShare, { shareId, canWrite: true }))).toMatchObject({
      code: "not_found",
    });
  });

  it("is found by the sweep where the scheduler has never heard of it", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const shareId = await backend.run((ctx) =>
      ctx.db.insert("chat_shares", {
        chatId,
        ownerId: owner.userId,
        shareToken: "imported",
        permissions: { canRead: true, canWrite: false, canShare: false },
        expiresAt: Date.now() - 1000,
        isActive: true,
      }),
    );
    await backend.mutation(internal.functions.mutations.sweep.sweep, {});
    expect(await backend.run(async (ctx) => (await ctx.db.get("chat_shares", shareId))?.isActive)).toBe(
      false,
    );
  });
});

describe("an address without an account", () => {
  it("waits for somebody to confirm it", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const share = { chatId, email: "Late@Example.com", canWrite: false };
    const shareId = await owner.mutation(shares.shareChat, share);
    // Again changes it; there is one row for one address.
    expect(await owner.mutation(shares.shareChat, { ...share, canWrite: true })).toBe(shareId);
    expect(await owner.query(queries.shares.getChatShares, { chatId })).toMatchObject([
      { user: null, isPending: true, email: "late@example.com", permissions: { canWrite: true } },
    ]);
    const mails = await backend.run((ctx) => ctx.db.system.query("_scheduled_functions").collect());
    expect(mails.filter(({ name }) => name.includes("mail"))).toMatchObject([
      { args: [{ to: "late@example.com", subject: expect.stringContaining("Ada") }] },
    ]);
    // An account with the address that is not confirmed gets nothing.
    const thief = visitor(backend, "Thief", "late@example.com", false);
    await thief.mutation(mutations.users.createUser, {});
    const shared = (who: typeof thief) =>
      who.query(queries.shares.getSharedChats, { paginationOpts: firstPage });
    expect((await shared(thief)).page).toEqual([]);
    const late = backend.withIdentity({
      subject: "the right one",
      issuer: "https://issuer.example",
      email: "late@example.com",
      emailVerified: true,
    });
    await late.mutation(mutations.users.createUser, { name: "Late" });
    expect((await shared(late)).page.map(({ _id }) => _id)).toEqual([chatId]);
  });

  it("is not invited without end", async () => {
    const owner = await somebody(backend, "Spammer");
    const chats: Id<"chats">[] = [];
    for (let index = 0; index < 3; index++) chats.push(await makeChat(owner));
    await backend.run(async (ctx) => {
      for (let index = 0; index < 100; index++)
        await ctx.db.insert("chat_shares", {
          chatId: chats[index % 2] ?? ("" as never),
          ownerId: owner.userId,
          invitedEmail: `victim${index}@example.com`,
          shareToken: `${owner.userId}${index}`,
          permissions: { canRead: true, canWrite: false, canShare: false },
          isActive: true,
        });
    });
    const share = (chatId: Id<"chats">) =>
      owner.mutation(shares.shareChat, { chatId, email: "one.more@example.com", canWrite: false });
    expect(await refusal(share(chats[2] ?? ("" as never)))).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("invitations"),
    });
    // Nor has one chat more than fifty shares of any kind.
    const link = { chatId: chats[0] ?? ("" as never), canWrite: false };
    expect(await refusal(owner.mutation(shares.createShareLink, link))).toMatchObject({ code: "conflict" });
  });
});

describe("shares", () => {
  it("refuse what makes no sense", async () => {
    const { owner, chatId } = await chatOf("Ada");
    const bob = await somebody(backend, "Bob");
    const share = { chatId, email: bob.email, canWrite: true };
    expect(await refusal(owner.mutation(shares.shareChat, { ...share, canRead: false }))).toMatchObject({
      code: "invalid",
      field: "canRead",
    });
    await bob.mutation(mutations.users.deleteUser, {});
    expect(await refusal(owner.mutation(shares.shareChat, share))).toMatchObject({ field: "email" });
    expect(await refusal(bob.mutation(shares.leaveChat, { chatId }))).toMatchObject({
      code: "account_deleting",
    });
  });
});
