import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../../conformance/support/until.ts";
import { codeOf } from "../../../../conformance/support/failures.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import { TurboServer, webhookSecrets } from "../support/turboServer.ts";

let turbo: TurboServer;

beforeAll(async () => {
  turbo = await TurboServer.start();
}, 240_000);
afterAll(async () => {
  await turbo?.close();
});

const usersOf = async (clerkId: string) =>
  (await turbo.server.call("users:getByClerkId", { clerkId })) as Record<string, unknown> | null;

function clerkUser(id: string, updatedAt: number, more: object = {}) {
  const email = { id: "idn_1", email_address: `${id}@Example.com` };
  return {
    id,
    first_name: "Ada",
    last_name: "Byron",
    image_url: "https://img.example.com/a.png",
    primary_email_address_id: "idn_1",
    email_addresses: [email],
    updated_at: updatedAt,
    ...more,
  };
}

describe("Clerk", () => {
  it("signs in, whichever of webhook and page is first", async () => {
    turbo.clerk.webhooks.target = {
      url: `${turbo.server.siteUrl}/webhooks/clerk`,
      secret: webhookSecrets.clerk,
    };
    const ada = await turbo.signIn("Ada");
    expect(await ada.client.query(api.users.me, {})).toMatchObject({
      email: ada.email,
      name: "Ada",
      plan: "free",
      role: "user",
    });
    await turbo.clerk.update(ada.email, { name: "Ada Byron" });
    expect(await ada.client.query(api.users.me, {})).toMatchObject({ _id: ada.id, name: "Ada Byron" });
    await turbo.clerk.remove(ada.email);
    expect(await ada.client.query(api.users.me, {})).toBeNull();
    expect(await codeOf(ada.client.mutation(api.users.ensure, {}))).toBe("UNAUTHORIZED");
    turbo.clerk.webhooks.target = null;
  });

  it("makes admins of those whose verified address is listed", async () => {
    const admin = await turbo.signIn("Admin", "admin@example.com");
    expect(await admin.client.query(api.users.me, {})).toMatchObject({ role: "admin" });
  });

  it("takes a delivery once, and no forged or old one", async () => {
    const created = { type: "user.created", data: clerkUser("user_once", 1000) };
    expect(await turbo.deliver("clerk", created, { secret: "whsec_d3Jvbmc=" })).toBe(400);
    expect(await turbo.deliver("clerk", created, { body: JSON.stringify({ ...created, x: 1 }) })).toBe(400);
    const old = new Date(Date.now() - 3_600_000);
    expect(await turbo.deliver("clerk", created, { at: old })).toBe(400);
    expect(await usersOf("user_once")).toBeNull();
    const ids = await Promise.all([1, 2, 3].map(() => turbo.deliver("clerk", created, { id: "msg_once" })));
    expect(ids).toEqual([200, 200, 200]);
    expect(await usersOf("user_once")).toMatchObject({ name: "Ada Byron", email: "user_once@example.com" });
    // The same delivery again, though it says something newer: the id decides.
    await turbo.deliver(
      "clerk",
      { type: "user.updated", data: clerkUser("user_once", 2000, { first_name: "X" }) },
      { id: "msg_once" },
    );
    expect(await usersOf("user_once")).toMatchObject({ name: "Ada Byron" });
  });

  it("takes deliveries in any order", async () => {
    const send = (type: string, data: object) => turbo.deliver("clerk", { type, data });
    await send("user.updated", clerkUser("user_order", 3000, { first_name: "Newest" }));
    await send("user.updated", clerkUser("user_order", 2000, { first_name: "Older" }));
    await send("user.created", clerkUser("user_order", 1000, { first_name: "Oldest" }));
    expect(await usersOf("user_order")).toMatchObject({ name: "Newest Byron" });
    await send("user.deleted", { id: "user_gone", deleted: true });
    await send("user.created", clerkUser("user_gone", 5000));
    expect(await usersOf("user_gone")).toBeNull();
    // What is none of ours, or does not look as it should, is taken and forgotten.
    expect(await send("organization.created", { id: "org_1" })).toBe(200);
    expect(await send("user.created", { id: 5 })).toBe(200);
  });

  it("keeps sessions until they have expired", async () => {
    const session = { id: "sess_1", user_id: "user_once", last_active_at: 1, updated_at: 10 };
    const send = (type: string, more: object) =>
      turbo.deliver("clerk", { type, data: { ...session, ...more } });
    await send("session.ended", { expire_at: Date.now() + 3_600_000, updated_at: 20 });
    await send("session.created", { expire_at: Date.now() + 3_600_000 });
    await send("session.created", { id: "sess_2", expire_at: Date.now() - 1 });
    expect(await turbo.server.call("sessions:cleanupExpired")).toBe(1);
    const rows = await turbo.convex("data", "sessions", "--format", "jsonLines");
    expect(rows).toContain("ended");
    expect(rows).not.toContain("sess_2");
  });
});

describe("analytics", () => {
  it("go out in batches, each event once", async () => {
    const eve = await turbo.signIn("Eve");
    for (let at = 0; at < 5; at++)
      await eve.client.mutation(api.analytics.track, { event: "page_viewed", properties: { at } });
    const views = await eventually(() => {
      const seen = turbo.postHog.events.filter(
        ({ event, distinctId }) => event === "page_viewed" && distinctId === eve.id,
      );
      return seen.length >= 5 ? seen : null;
    });
    expect(new Set(views.map(({ properties }) => properties["at"]))).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(views).toHaveLength(5);
    expect(turbo.postHog.events.some(({ event }) => event === "user_signed_up")).toBe(true);
  });
});
