import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { api, internal } from "../../_generated/api.js";
import { backendTest, signInTestUser } from "../../test/helpers.setup.ts";
import { retentionMs } from "./purge.ts";

describe("Clerk's events", () => {
  const user = (name: string, updatedAt: number) => ({
    id: "user_1",
    first_name: name,
    email_addresses: [{ id: "e", email_address: "u@example.com" }],
    primary_email_address_id: "e",
    updated_at: updatedAt,
  });
  const history = [
    { type: "user.created", data: user("First", 1) },
    { type: "user.updated", data: user("Second", 2) },
    { type: "user.updated", data: user("Third", 3) },
  ];

  it("come to the same in any order", async () => {
    const orders = fc.shuffledSubarray([0, 1, 2, 0, 1, 2], { minLength: 6 });
    await fc.assert(
      fc.asyncProperty(orders, fc.boolean(), async (order, isDeleted) => {
        const t = await backendTest();
        for (const at of order)
          await t.mutation(internal.users.applyWebhook, { eventId: `msg_${at}`, event: history[at] });
        if (isDeleted) {
          const event = { type: "user.deleted", data: { id: "user_1" } };
          await t.mutation(internal.users.applyWebhook, { eventId: "msg_9", event });
          await t.mutation(internal.users.applyWebhook, { eventId: "msg_10", event: history[2] });
        }
        const found = await t.query(internal.users.getByClerkId, { clerkId: "user_1" });
        expect(found?.name).toBe(isDeleted ? undefined : "Third");
      }),
      { numRuns: 8 },
    );
  });
});

describe("accounts", () => {
  it("are changed by their owners alone", async () => {
    const t = await backendTest();
    const [ann, bob] = [await signInTestUser(t, { name: "Ann" }), await signInTestUser(t, { name: "Bob" })];
    await ann.as.mutation(api.users.updateUser, { id: ann.userId, update: { name: "Anne", bio: "Hello" } });
    expect(await ann.as.query(api.users.me, {})).toMatchObject({ name: "Anne", bio: "Hello", role: "user" });
    await expect(
      bob.as.mutation(api.users.updateUser, { id: ann.userId, update: { name: "Mine" } }),
    ).rejects.toMatchObject({ data: { code: "UNAUTHORIZED", message: "Can only update own profile" } });
    // Only what is listed can be changed.
    const update = { name: "Rich", credits: 1_000_000 } as { name: string };
    await expect(bob.as.mutation(api.users.updateUser, { id: bob.userId, update })).rejects.toThrow(
      "extra field `credits`",
    );
    await expect(
      bob.as.mutation(api.users.updateUser, { id: bob.userId, update: { imageUrl: "javascript:alert(1)" } }),
    ).rejects.toMatchObject({ data: { code: "INVALID_INPUT", field: "imageUrl" } });
  });

  it("that were deleted show neither name nor picture to those who are in the same room", async () => {
    const t = await backendTest();
    const [ann, bob] = [await signInTestUser(t, { name: "Ann" }), await signInTestUser(t, { name: "Bob" })];
    const imageUrl = "https://img.example.com/ann.png";
    await ann.as.mutation(api.users.updateUser, { id: ann.userId, update: { imageUrl } });
    const roomId = await ann.as.mutation(api.projects.create, {
      name: "Open",
      settings: { isPublic: true, allowComments: true },
    });
    const beat = async ({ as, userId }: typeof ann) =>
      await as.mutation(api.presence.heartbeat, { roomId, userId, sessionId: userId, interval: 10_000 });
    await beat(ann);
    const { roomToken } = await beat(bob);
    const seen = async () => {
      const people = await bob.as.query(api.presence.list, { roomToken });
      return people.find(({ userId }) => userId === ann.userId);
    };
    expect(await seen()).toMatchObject({ name: "Ann", image: imageUrl });
    await ann.as.mutation(api.users.remove, {});
    const after = await seen();
    expect(after).toMatchObject({ userId: ann.userId });
    expect(after).not.toHaveProperty("name");
    expect(after).not.toHaveProperty("image");
  });

  it("that were deleted are emptied when nobody can want them back any more", async () => {
    const t = await backendTest();
    const ann = await signInTestUser(t, { name: "Ann" });
    const bob = await signInTestUser(t, { name: "Bob" });
    const own = await ann.as.mutation(api.projects.create, { name: "Ann's" });
    const shared = await bob.as.mutation(api.projects.create, {
      name: "Bob's",
      settings: { isPublic: true, allowComments: true },
    });
    await ann.as.mutation(api.messages.send, { projectId: own, body: "To myself" });
    await ann.as.mutation(api.messages.send, { projectId: shared, body: "To Bob" });
    await ann.as.mutation(api.agents.threads.create, { title: "What Ann asked" });
    await t.run(async (ctx) => {
      const mail = {
        template: "welcome",
        to: "ann@example.com",
        subject: "Welcome",
        status: "delivered",
      } as const;
      const at = Date.now();
      const known = { userId: ann.userId, key: "k", emailId: "e", statusAt: at, createdAt: at };
      await ctx.db.insert("emails", { ...mail, ...known });
    });
    await ann.as.mutation(api.users.remove, {});
    expect(await ann.as.query(api.users.me, {})).toBeNull();
    await t.mutation(internal.users.purgeDeleted, {});
    expect(await t.run((ctx) => ctx.db.get(own))).not.toBeNull();
    await t.run((ctx) => ctx.db.patch(ann.userId, { deletedAt: Date.now() - retentionMs - 1 }));
    await t.mutation(internal.users.purgeDeleted, {});
    expect(await t.run((ctx) => ctx.db.get(own))).toBeNull();
    for (const table of ["messages", "threads", "emails"] as const)
      expect(await t.run((ctx) => ctx.db.query(table).take(10))).toEqual([]);
    expect(await t.run((ctx) => ctx.db.get(ann.userId))).toMatchObject({ name: "", email: "", deletedAt: 0 });
    expect(await bob.as.query(api.projects.get, { id: shared })).toMatchObject({ name: "Bob's" });
  });
});

it("sessions and deliveries that have expired are forgotten, however many", async () => {
  const t = await backendTest();
  await t.run(async (ctx) => {
    for (let at = 0; at < 250; at++) {
      const row = { clerkId: "c", status: "active" as const, lastActiveAt: 0, clerkUpdatedAt: 0 };
      await ctx.db.insert("sessions", { ...row, clerkSessionId: `s${at}`, expiresAt: at < 240 ? 1 : 9e15 });
    }
    await ctx.db.insert("webhookEvents", { source: "clerk", eventId: "old", type: "t", receivedAt: 1 });
  });
  expect(await t.mutation(internal.sessions.cleanupExpired, {})).toBe(201);
  expect(await t.mutation(internal.sessions.cleanupExpired, {})).toBe(40);
  expect(await t.run(async (ctx) => (await ctx.db.query("sessions").take(300)).length)).toBe(10);
});
