import { z } from "zod";
import type { MutationCtx } from "../../_generated/server.js";
import { limits } from "../../lib/validation.ts";
import { isFirstDelivery } from "../webhooks.ts";
import { findWithDeleted } from "./find.ts";
import * as Users from "./model.ts";

/*
 * Clerk's webhooks. They may come twice, late, and in any order: each delivery is applied once, a record that is older
 * than the one applied last changes nothing, and who was deleted stays deleted.
 */

const userRecord = z.object({
  id: z.string(),
  email_addresses: z.array(z.object({ id: z.string(), email_address: z.string() })).default([]),
  primary_email_address_id: z.string().nullish(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  image_url: z.string().nullish(),
  updated_at: z.number(),
});

const sessionRecord = z.object({
  id: z.string(),
  user_id: z.string(),
  expire_at: z.number(),
  last_active_at: z.number(),
  updated_at: z.number(),
});

const clerkEvent = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["user.created", "user.updated"]), data: userRecord }),
  z.object({ type: z.literal("user.deleted"), data: z.object({ id: z.string() }) }),
  z.object({
    type: z.enum(["session.created", "session.ended", "session.revoked", "session.removed"]),
    data: sessionRecord,
  }),
]);

export type ClerkEvent = z.infer<typeof clerkEvent>;

/** One of Clerk's events; null for those that are none of ours, and those that do not look as they should. */
export function parseClerkEvent(json: unknown): ClerkEvent | null {
  const { success, data } = clerkEvent.safeParse(json);
  return success ? data : null;
}

/**
 * Applies one delivery.
 *
 * @param eventId the delivery's id (svix-id): the same one again does nothing
 */
export async function applyClerkEvent(ctx: MutationCtx, eventId: string, event: ClerkEvent): Promise<void> {
  if (!(await isFirstDelivery(ctx, { source: "clerk", eventId, type: event.type }))) return;
  switch (event.type) {
    case "user.created":
    case "user.updated":
      return await applyUser(ctx, event.data);
    case "user.deleted":
      return await removeUser(ctx, event.data.id);
    default:
      return await applySession(ctx, event.data, event.type === "session.created" ? "active" : "ended");
  }
}

async function applyUser(ctx: MutationCtx, record: z.infer<typeof userRecord>): Promise<void> {
  const profile = profileOf(record);
  const known = await findWithDeleted(ctx, record.id);
  if (known === null) {
    await Users.create(ctx, profile, record.updated_at);
    return;
  }
  if (known.deletedAt !== undefined || (known.clerkUpdatedAt ?? 0) >= record.updated_at) return;
  const { email, name, imageUrl } = profile;
  await ctx.db.patch(known._id, {
    email,
    name,
    ...(imageUrl === undefined ? {} : { imageUrl }),
    clerkUpdatedAt: record.updated_at,
    updatedAt: Date.now(),
  });
}

/** Leaves a tombstone for somebody never heard of: their "created" may still be on its way. */
async function removeUser(ctx: MutationCtx, clerkId: string): Promise<void> {
  const known = await findWithDeleted(ctx, clerkId);
  if (known !== null) return await Users.softDelete(ctx, known);
  const now = Date.now();
  await ctx.db.insert("users", {
    clerkId,
    email: "",
    name: "",
    plan: "free",
    credits: 0,
    onboardingCompleted: false,
    digest: false,
    createdAt: now,
    updatedAt: now,
    deletedAt: now,
  });
}

async function applySession(
  ctx: MutationCtx,
  record: z.infer<typeof sessionRecord>,
  status: "active" | "ended",
): Promise<void> {
  const known = await ctx.db
    .query("sessions")
    .withIndex("by_clerk_session", (q) => q.eq("clerkSessionId", record.id))
    .unique();
  const session = {
    clerkSessionId: record.id,
    clerkId: record.user_id,
    status,
    lastActiveAt: record.last_active_at,
    expiresAt: record.expire_at,
    clerkUpdatedAt: record.updated_at,
  };
  if (known === null) await ctx.db.insert("sessions", session);
  // A session that has ended does not begin again, whatever the times say.
  else if (known.status === "active" && (status === "ended" || known.clerkUpdatedAt < record.updated_at))
    await ctx.db.patch(known._id, session);
}

function profileOf(record: z.infer<typeof userRecord>): Users.Profile {
  const primary = record.email_addresses.find(({ id }) => id === record.primary_email_address_id);
  const email = (primary ?? record.email_addresses[0])?.email_address.toLowerCase() ?? "";
  const name = [record.first_name, record.last_name].filter((part) => part != null && part !== "").join(" ");
  return {
    clerkId: record.id,
    email,
    name: (name === "" ? (email.split("@")[0] ?? "") : name).slice(0, limits.nameCharsMax),
    imageUrl: record.image_url ?? undefined,
  };
}
