import { internal } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import type { MutationCtx } from "../../_generated/server.js";
import { requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { takeUnit } from "../../lib/rateLimiter.ts";
import { checkLength, checkText, limits } from "../../lib/validation.ts";
import { capture } from "../analytics/model.ts";
import { plans } from "../billing/plans.ts";
import { countOf, type ProjectStatus, requireOwn } from "./model.ts";

export interface NewProject {
  readonly name: string;
  readonly description?: string | undefined;
  readonly status?: ProjectStatus | undefined;
  readonly settings?: Doc<"projects">["settings"] | undefined;
  /** Of the system it comes from. */
  readonly externalId?: string | undefined;
}

const messagesBatch = 200;
/** A draft that nobody has touched for so long is put away. */
export const staleDraftMs = 90 * 24 * 3_600_000;
export const draftsBatch = 100;

/**
 * A new project of the caller's.
 *
 * @throws INVALID_INPUT, PLAN_LIMIT {limit}, RATE_LIMITED
 */
export async function create(ctx: MutationCtx, project: NewProject): Promise<Id<"projects">> {
  const { user } = await requireAuth(ctx);
  await takeUnit(ctx, "createProject", user._id);
  return await createFor(ctx, user, project);
}

/** The same for a user whom the caller of this function answers for. */
export async function createFor(
  ctx: MutationCtx,
  user: Doc<"users">,
  { name, description, status = "active", settings, externalId }: NewProject,
): Promise<Id<"projects">> {
  await checkProjectCount(ctx, user);
  const now = Date.now();
  const id = await ctx.db.insert("projects", {
    userId: user._id,
    name: checkText("name", name, limits.nameCharsMax),
    ...describe(description),
    status,
    settings: settings ?? { isPublic: false, allowComments: true },
    ...(externalId === undefined ? {} : { externalId }),
    createdAt: now,
    updatedAt: now,
  });
  await capture(ctx, "project_created", user._id, { status });
  return id;
}

/**
 * Changes a project of the caller's.
 *
 * @throws NOT_FOUND, UNAUTHORIZED, INVALID_INPUT
 */
export async function update(
  ctx: MutationCtx,
  { id, ...changes }: { readonly id: Id<"projects"> } & Partial<NewProject>,
): Promise<void> {
  await requireOwn(ctx, await requireAuth(ctx), id);
  const patch: Partial<Doc<"projects">> = { ...describe(changes.description), updatedAt: Date.now() };
  if (changes.name !== undefined) patch.name = checkText("name", changes.name, limits.nameCharsMax);
  if (changes.status !== undefined) patch.status = changes.status;
  if (changes.settings !== undefined) patch.settings = changes.settings;
  await ctx.db.patch(id, patch);
}

/** Deletes a project of the caller's; it can be restored for a while. */
export async function remove(ctx: MutationCtx, id: Id<"projects">): Promise<void> {
  await requireOwn(ctx, await requireAuth(ctx), id);
  const now = Date.now();
  await ctx.db.patch(id, { deletedAt: now, updatedAt: now });
}

/**
 * Brings a deleted project of the caller's back.
 *
 * @throws NOT_FOUND when there is no such one, PLAN_LIMIT {limit}
 */
export async function restore(ctx: MutationCtx, id: Id<"projects">): Promise<void> {
  const { user } = await requireAuth(ctx);
  const project = await ctx.db.get(id);
  if (project === null || project.userId !== user._id || project.deletedAt === undefined)
    throw backendError("NOT_FOUND", "Project not found");
  await checkProjectCount(ctx, user);
  await ctx.db.patch(id, { deletedAt: undefined, updatedAt: Date.now() });
}

/** Takes over a project from another system: made when it is new, else brought up to date. */
export async function syncFromExternal(
  ctx: MutationCtx,
  {
    userId,
    externalId,
    data,
  }: { readonly userId: Id<"users">; readonly externalId: string; readonly data: NewProject },
): Promise<Id<"projects">> {
  const known = await ctx.db
    .query("projects")
    .withIndex("by_external_id", (q) => q.eq("userId", userId).eq("externalId", externalId))
    .first();
  const name = checkText("name", data.name, limits.nameCharsMax);
  const description = describe(data.description);
  if (known !== null) {
    await ctx.db.patch(known._id, { name, ...description, updatedAt: Date.now() });
    return known._id;
  }
  const user = await ctx.db.get(userId);
  if (user === null || user.deletedAt !== undefined) throw backendError("USER_NOT_FOUND", "User not found");
  return await createFor(ctx, user, { ...data, externalId });
}

/**
 * Archives drafts that nobody has touched for long, batch by batch: old ones that are still worked on stay, and must not
 * stand before those that come after them. Returns how many of this batch.
 */
export async function archiveStaleDrafts(ctx: MutationCtx, cursor: string | null): Promise<number> {
  const before = Date.now() - staleDraftMs;
  const { page, isDone, continueCursor } = await ctx.db
    .query("projects")
    .withIndex("by_status", (q) => q.eq("status", "draft").lt("_creationTime", before))
    .paginate({ numItems: draftsBatch, cursor });
  const stale = page.filter(({ updatedAt }) => updatedAt < before);
  for (const { _id } of stale) await ctx.db.patch(_id, { status: "archived" });
  if (!isDone)
    await ctx.scheduler.runAfter(0, internal.projects.archiveStaleDrafts, { cursor: continueCursor });
  return stale.length;
}

/** Deletes a project for good, with its comments. False: there are more of them than one transaction should delete. */
export async function removeProject(ctx: MutationCtx, id: Id<"projects">): Promise<boolean> {
  const messages = await ctx.db
    .query("messages")
    .withIndex("by_project", (q) => q.eq("projectId", id))
    .take(messagesBatch);
  for (const { _id } of messages) await ctx.db.delete(_id);
  if (messages.length === messagesBatch) return false;
  await ctx.db.delete(id);
  return true;
}

/** Deletes what a user has said in others' projects. False: there is more. */
export async function removeMessagesOf(ctx: MutationCtx, userId: Id<"users">): Promise<boolean> {
  const messages = await ctx.db
    .query("messages")
    .withIndex("by_user", (q) => q.eq("userId", userId))
    .take(messagesBatch);
  for (const { _id } of messages) await ctx.db.delete(_id);
  return messages.length < messagesBatch;
}

/** @throws INVALID_INPUT when a description is too long */
function describe(description: string | undefined): { description?: string } {
  if (description === undefined) return {};
  return { description: checkLength("description", description, limits.descriptionCharsMax) };
}

/** @throws PLAN_LIMIT {limit} when a user has as many living projects as their plan allows */
async function checkProjectCount(ctx: MutationCtx, user: Doc<"users">): Promise<void> {
  const limit = plans[user.plan].projectsMax;
  if ((await countOf(ctx, user._id)) >= limit)
    throw backendError("PLAN_LIMIT", `Your plan has ${limit} projects`, { limit });
}
