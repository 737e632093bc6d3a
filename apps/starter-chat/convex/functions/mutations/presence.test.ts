import { describe, expect, it } from "vitest";
import { mutations, queries, refusal, say, sharedChat, startBackend } from "../../tests/backend.support.ts";

const backend = startBackend();
const { presence } = mutations;
const interval = 10_000;

async function openChat() {
  const shared = await sharedChat(backend);
  const who = () => shared.ada.query(queries.presence.getPresence, { chatId: shared.chatId });
  return { ...shared, who };
}

describe("presence", () => {
  it("shows who looks at a chat, and who has left", async () => {
    const { ada, bob, chatId, who } = await openChat();
    await ada.mutation(presence.heartbeat, { chatId, sessionId: "one", interval });
    const { sessionToken } = await bob.mutation(presence.heartbeat, { chatId, sessionId: "one", interval });
    const online = async () =>
      (await who()).map(({ user, isOnline }) => `${user.name.split(" ")[0]} ${isOnline}`).toSorted();
    expect(await online()).toEqual(["Ada true", "Bob true"]);
    // The page that closes has no time to sign in.
    await backend.mutation(presence.leave, { sessionToken });
    expect(await online()).toEqual(["Ada true", "Bob false"]);
    expect((await who()).find(({ isOnline }) => !isOnline)?.lastSeenAt).toBeGreaterThan(0);
  });

  it("leaves out whoever may not read the chat any more", async () => {
    const { ada, bob, chatId, shareId, who } = await openChat();
    await bob.mutation(presence.heartbeat, { chatId, sessionId: "one", interval });
    await ada.mutation(mutations.shares.revokeShare, { shareId });
    expect(await who()).toEqual([]);
    expect(
      await refusal(bob.mutation(presence.heartbeat, { chatId, sessionId: "one", interval })),
    ).toMatchObject({ code: "not_found" });
  });

  it.each([
    [{ sessionId: "", interval }, "sessionId"],
    [{ sessionId: "x".repeat(101), interval }, "sessionId"],
    [{ sessionId: "one", interval: 1 }, "interval"],
    [{ sessionId: "one", interval: 3_600_000 }, "interval"],
    [{ sessionId: "one", interval: Number.NaN }, "interval"],
  ])("refuses %j", async (bad, field) => {
    const { ada, chatId } = await openChat();
    expect(await refusal(ada.mutation(presence.heartbeat, { chatId, ...bad }))).toMatchObject({
      code: "invalid",
      field,
    });
  });
});

describe("typing", () => {
  it("is seen until it stops, or the message is there", async () => {
    const { bob, chatId, who } = await openChat();
    await bob.mutation(presence.heartbeat, { chatId, sessionId: "one", interval });
    const typing = async () => (await who())[0]?.typingUntil ?? 0;
    expect(await typing()).toBe(0);
    await bob.mutation(presence.setTyping, { chatId, isTyping: true });
    const until = await typing();
    expect(until).toBeGreaterThan(Date.now());
    await bob.mutation(presence.setTyping, { chatId, isTyping: true });
    expect(await typing()).toBeGreaterThanOrEqual(until);
    await bob.mutation(presence.setTyping, { chatId, isTyping: false });
    expect(await typing()).toBe(0);
    await bob.mutation(presence.setTyping, { chatId, isTyping: true });
    await say(bob, chatId, "said");
    expect(await typing()).toBe(0);
  });
});
