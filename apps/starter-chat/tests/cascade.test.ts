import { afterAll, beforeAll, expect, it } from "vitest";
import { api } from "../convex/_generated/api.js";
import { deleteLargeAccount } from "./support/largeAccount.ts";
import { LiveServer, password } from "./support/liveServer.ts";

let live: LiveServer;
beforeAll(async () => {
  live = await LiveServer.startWithApp();
});
afterAll(async () => {
  await live?.close();
});

// `npm run delete-large-account` does it with 100,000.
it("deletes an account with thousands of messages, through kill -9", { timeout: 300_000 }, async () => {
  const { seconds } = await deleteLargeAccount(live, { messages: 8_000, kills: 2 });
  expect(seconds).toBeGreaterThan(0);
  const email = "large.account@example.com";
  expect((await live.auth("/sign-in/email", { email, password })).status).toBe(401);
});

it("seeds people who can sign in, once", async () => {
  const first = await live.server.call("seed:run");
  expect(first).toMatchObject({ people: ["john@example.com", "jane@example.com"], isNew: true });
  expect(await live.server.call("seed:run")).toMatchObject({ isNew: false });
  const { password: seeded } = first as { password: string };
  const jane = await live.signIn("jane@example.com", seeded);
  const { page } = await jane.client.query(api.functions.queries.shares.getSharedChats, {
    paginationOpts: { cursor: null, numItems: 9 },
  });
  expect(page).toMatchObject([
    { title: "Project Planning Discussion", messageCount: 3, owner: { name: "John Developer" }, unread: 2 },
  ]);
});
