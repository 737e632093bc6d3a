import { createFunctionHandle } from "convex/server";
import { components, internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../../_generated/server.js";
import { requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { takeUnit } from "../../lib/rateLimiter.ts";
import { checkText, limits } from "../../lib/validation.ts";
import { capture } from "../analytics/model.ts";
import { plans } from "../billing/plans.ts";
import { requireOwn, requireVisible } from "../projects/model.ts";
import { bucket } from "./r2.ts";

/*
 * An upload's way: `prepare` gives a signed address, the browser puts the file there, `confirm` has the component look
 * at what arrived, `synced` takes its size and type. What is never confirmed, or larger than the plan allows, is removed.
 */

const listMax = 100;
export const abandonedMs = 24 * 3_600_000;
export const abandonedBatch = 50;
const urlLifetimeS = 15 * 60;

/**
 * An address to put a file at.
 *
 * @throws RATE_LIMITED, NOT_CONFIGURED, INVALID_INPUT; for a project NOT_FOUND, UNAUTHORIZED
 */
export async function prepare(
  ctx: MutationCtx,
  {
    projectId,
    name,
  }: { readonly projectId?: Id<"projects"> | undefined; readonly name?: string | undefined },
): Promise<{ key: string; url: string }> {
  const caller = await requireAuth(ctx);
  if (projectId !== undefined) await requireOwn(ctx, caller, projectId);
  const fileName = name === undefined ? "file" : checkText("name", name, limits.fileNameCharsMax);
  await takeUnit(ctx, "upload", caller.user._id);
  const { key, url } = await bucket().generateUploadUrl(`${caller.user._id}/${crypto.randomUUID()}`);
  await ctx.db.insert("uploads", {
    userId: caller.user._id,
    ...(projectId === undefined ? {} : { projectId }),
    key,
    name: fileName,
    status: "pending",
    createdAt: Date.now(),
  });
  return { key, url };
}

/**
 * The caller has put the file there.
 *
 * @throws NOT_FOUND, also for another's
 */
export async function confirm(ctx: MutationCtx, key: string): Promise<void> {
  const { user } = await requireAuth(ctx);
  const upload = await findByKey(ctx, key);
  if (upload === null || upload.userId !== user._id) throw backendError("NOT_FOUND", "Upload not found");
  if (upload.status !== "pending") return;
  await ctx.scheduler.runAfter(0, components.r2.lib.syncMetadata, {
    key,
    onComplete: await createFunctionHandle(internal.uploads.synced),
    ...bucket().config,
  });
}

/** The component has seen the file: keeps it, or removes what is too large for the plan. */
export async function synced(ctx: MutationCtx, key: string): Promise<void> {
  const upload = await findByKey(ctx, key);
  if (upload === null || upload.status !== "pending") return;
  const metadata = await bucket().getMetadata(ctx, key);
  const user = await ctx.db.get(upload.userId);
  if (metadata === null || user === null) return;
  const sizeBytes = metadata.size ?? 0;
  if (sizeBytes > plans[user.plan].uploadBytesMax) {
    await ctx.db.patch(upload._id, { status: "rejected", sizeBytes });
    await bucket().deleteObject(ctx, key);
    return;
  }
  await ctx.db.patch(upload._id, {
    status: "stored",
    sizeBytes,
    ...(metadata.contentType === undefined ? {} : { contentType: metadata.contentType }),
  });
  await capture(ctx, "file_uploaded", user._id, { sizeBytes });
}

/** The caller's files, or those of a project they may see; newest first. With addresses that are good for a quarter of an hour. */
export async function list(
  ctx: QueryCtx,
  { projectId }: { readonly projectId?: Id<"projects"> | undefined },
) {
  const caller = await requireAuth(ctx);
  const uploads = await listed(ctx, caller, projectId);
  return await Promise.all(
    uploads.map(async ({ _id, key, name, status, contentType, sizeBytes, createdAt, userId, ...upload }) => ({
      _id,
      key,
      name,
      status,
      createdAt,
      ...(contentType === undefined ? {} : { contentType }),
      ...(sizeBytes === undefined ? {} : { size: sizeBytes }),
      ...(upload.projectId === undefined ? {} : { projectId: upload.projectId }),
      isMine: userId === caller.user._id,
      url: status === "stored" ? await bucket().getUrl(key, { expiresIn: urlLifetimeS }) : null,
    })),
  );
}

async function listed(
  ctx: QueryCtx,
  caller: Awaited<ReturnType<typeof requireAuth>>,
  projectId: Id<"projects"> | undefined,
): Promise<Doc<"uploads">[]> {
  if (projectId === undefined)
    return await ctx.db
      .query("uploads")
      .withIndex("by_user", (q) => q.eq("userId", caller.user._id))
      .order("desc")
      .take(listMax);
  await requireVisible(ctx, caller, projectId);
  return await ctx.db
    .query("uploads")
    .withIndex("by_project", (q) => q.eq("projectId", projectId))
    .order("desc")
    .take(listMax);
}

/**
 * Removes a file of the caller's.
 *
 * @throws NOT_FOUND, also for another's
 */
export async function removeOwn(ctx: MutationCtx, id: Id<"uploads">): Promise<void> {
  const { user } = await requireAuth(ctx);
  const upload = await ctx.db.get(id);
  if (upload === null || upload.userId !== user._id) throw backendError("NOT_FOUND", "Upload not found");
  await startRemoval(ctx, upload);
}

/** Removes a file's document now and the file itself right after. */
export async function startRemoval(ctx: MutationCtx, upload: Doc<"uploads">): Promise<void> {
  await bucket().deleteObject(ctx, upload.key);
  await ctx.db.delete(upload._id);
}

/** Removes uploads that were begun and never confirmed, batch by batch. Returns how many of this batch. */
export async function removeAbandoned(ctx: MutationCtx): Promise<number> {
  const abandoned = await ctx.db
    .query("uploads")
    .withIndex("by_status", (q) => q.eq("status", "pending").lt("createdAt", Date.now() - abandonedMs))
    .take(abandonedBatch);
  for (const upload of abandoned) await startRemoval(ctx, upload);
  if (abandoned.length === abandonedBatch)
    await ctx.scheduler.runAfter(0, internal.uploads.removeAbandoned, {});
  return abandoned.length;
}

async function findByKey(ctx: QueryCtx, key: string): Promise<Doc<"uploads"> | null> {
  return await ctx.db
    .query("uploads")
    .withIndex("by_key", (q) => q.eq("key", key))
    .unique();
}
