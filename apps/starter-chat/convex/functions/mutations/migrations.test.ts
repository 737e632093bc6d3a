import { expect, it } from "vitest";
import { internal } from "../../_generated/api.js";
import type { Doc } from "../../_generated/dataModel.js";
import { makeChat, queries, say, somebody, startBackend, until } from "../../tests/backend.support.ts";

const { start, status, step } = internal.functions.mutations.migrations;

it("goes through all messages in batches, and back; what has stopped goes on", async () => {
  const backend = startBackend();
  const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
  const [hers, his] = [await makeChat(ada), await makeChat(bob)];
  const total = 500;
  await backend.run(async (ctx) => {
    for (let index = 0; index < total; index++)
      await ctx.db.insert("messages", {
        chatId: index % 2 === 0 ? hers : his,
        role: "assistant",
        content: `a quokka, the ${index}th`,
      });
  });
  await say(ada, hers, "new ones have it");
  const find = () => ada.query(queries.messages.searchMessages, { query: "quokka" });
  expect(await find()).toEqual([]);

  expect(await backend.mutation(start, {})).toEqual(["001-chat-owner"]);
  const done = async () => (await backend.query(status, {}))[0]?.isDone === true;
  await until(done);
  const owners = () =>
    backend.run(async (ctx) => {
      const messages: Doc<"messages">[] = await ctx.db.query("messages").collect();
      return messages.map(({ chatId, chatOwnerId }) =>
        chatOwnerId === undefined
          ? "none"
          : chatOwnerId === (chatId === hers ? ada.userId : bob.userId)
            ? "right"
            : "wrong",
      );
    });
  expect(new Set(await owners())).toEqual(new Set(["right"]));
  expect(await find()).toHaveLength(50);
  expect(await backend.mutation(start, {})).toEqual([]); // done is done

  expect(await backend.mutation(start, { name: "001-chat-owner", way: "down" })).toHaveLength(1);
  await until(done);
  expect(new Set(await owners())).toEqual(new Set(["none"]));

  // It was stopped in the middle: it goes on from there, not from the beginning.
  await backend.run(async (ctx) => {
    const [state] = await ctx.db.query("migrations").collect();
    const half = await ctx.db.query("messages").paginate({ cursor: null, numItems: 300 });
    const { continueCursor: cursor } = half;
    if (state !== undefined)
      await ctx.db.patch("migrations", state._id, { way: "up", cursor, isDone: false, seen: 300 });
  });
  expect(await backend.mutation(start, {})).toHaveLength(1);
  await until(done);
  const seen = await owners();
  expect([seen.filter((o) => o === "none").length, seen.filter((o) => o === "right").length]).toEqual([
    300,
    total + 1 - 300,
  ]);
  await expect(backend.mutation(start, { name: "unknown" })).rejects.toThrow("no migration unknown");
  await backend.mutation(step, { name: "unknown" });
});
