import { describe, expect, it } from "vitest";
import {
  firstPage,
  makeChat,
  mutations,
  queries,
  refusal,
  say,
  sharedChat,
  somebody,
  startBackend,
} from "../../tests/backend.support.ts";

const backend = startBackend();

describe("messages", () => {
  it("pages in both directions from any moment, so that a window can open in the middle", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client);
    for (let index = 1; index <= 9; index++) await say(client, chatId, `${index}`);
    const all = await client.query(queries.messages.getChatMessages, { chatId, paginationOpts: firstPage });
    const middle = all.page[4]?._creationTime ?? 0;
    const around = async (bounds: object, order: "asc" | "desc") => {
      const seen: string[] = [];
      for (let cursor: string | null = null, isDone = false; !isDone;) {
        const result: typeof all = await client.query(queries.messages.getChatMessages, {
          chatId,
          order,
          ...bounds,
          paginationOpts: { cursor, numItems: 2 },
        });
        seen.push(...result.page.map(({ content }) => content));
        ({ continueCursor: cursor, isDone } = result);
      }
      return seen.join("");
    };
    expect(await around({ upTo: middle }, "desc")).toBe("54321");
    expect(await around({ after: middle }, "asc")).toBe("6789");
    expect(await around({}, "desc")).toBe("987654321");
  });

  it("gives one message to whoever may read it", async () => {
    const [ada, eve] = [await somebody(backend, "Ada"), await somebody(backend, "Eve")];
    const chatId = await makeChat(ada);
    const messageId = await say(ada, chatId, "here");
    expect(await ada.query(queries.messages.getMessage, { messageId })).toMatchObject({
      chatId,
      content: "here",
    });
    expect(await eve.query(queries.messages.getMessage, { messageId })).toBeNull();
    await ada.mutation(mutations.messages.deleteMessage, { messageId });
    expect(await ada.query(queries.messages.getMessage, { messageId })).toBeNull();
  });
});

describe("search", () => {
  it("finds what anybody said in one's own and shared chats, and nothing else", async () => {
    const { ada, bob, chatId: shared, shareId } = await sharedChat(backend);
    const eve = await somebody(backend, "Eve");
    await say(ada, shared, "the zebra plan");
    await say(bob, shared, "no zebra without stripes");
    await say(eve, await makeChat(eve), "a zebra of my own");
    await backend.run((ctx) =>
      ctx.db.insert("messages", {
        chatId: shared,
        chatOwnerId: ada.userId,
        role: "assistant",
        content: "A zebra is a horse.",
      }),
    );
    const found = async (client: typeof ada, chatId?: typeof shared) => {
      const query = { query: "zebra", ...(chatId === undefined ? {} : { chatId }) };
      const results = await client.query(queries.messages.searchMessages, query);
      return results.map(({ preview }) => preview).toSorted();
    };
    const all = ["A zebra is a horse.", "no zebra without stripes", "the zebra plan"];
    expect(await found(ada)).toEqual(all);
    expect(await found(bob)).toEqual(all);
    expect(await found(ada, shared)).toEqual(all);
    expect(await found(eve)).toEqual(["a zebra of my own"]);
    expect(await refusal(found(eve, shared))).toMatchObject({ code: "not_found" });
    // One's own words in a chat that is no longer shared with one are out of reach too.
    await ada.mutation(mutations.shares.revokeShare, { shareId });
    expect(await found(bob)).toEqual([]);
    expect(await refusal(ada.query(queries.messages.searchMessages, { query: " " }))).toMatchObject({
      code: "invalid",
      field: "query",
    });
  });

  it("shows what is around the hit", async () => {
    const client = await somebody(backend);
    const chatId = await makeChat(client, "Long");
    await say(client, chatId, `${"before ".repeat(60)}the narwhal swims ${"after ".repeat(60)}`);
    const [hit] = await client.query(queries.messages.searchMessages, { query: "Narwhal" });
    expect(hit?.preview).toMatch(/^….*the narwhal swims.*…$/);
    expect(hit?.preview.length).toBeLessThanOrEqual(162);
    expect(hit).toMatchObject({ chatTitle: "Long", role: "user" });
  });
});
