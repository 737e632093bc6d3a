import type { PaginationOptions, PaginationResult } from "convex/server";
import type { Doc, Id } from "../../_generated/dataModel.js";
import type { QueryCtx } from "../../_generated/server.js";
import { type Caller, requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { limits } from "../../lib/validation.ts";

export type ProjectStatus = Doc<"projects">["status"];

/** As many as any plan allows. */
export const projectsMax = 200;
export const searchResultsMax = 20;
/** How many comments a summary is made of. */
const messagesMax = 100;

/** The caller's projects, oldest first. */
export async function listForCurrentUser(
  ctx: QueryCtx,
  { status }: { readonly status?: ProjectStatus | undefined },
): Promise<Doc<"projects">[]> {
  const { user } = await requireAuth(ctx);
  return await ownProjects(ctx, user._id, status).take(projectsMax);
}

/** The caller's projects, page by page. */
export async function pageForCurrentUser(
  ctx: QueryCtx,
  {
    status,
    paginationOpts,
  }: { readonly status?: ProjectStatus | undefined; readonly paginationOpts: PaginationOptions },
): Promise<PaginationResult<Doc<"projects">>> {
  const { user } = await requireAuth(ctx);
  return await ownProjects(ctx, user._id, status).paginate(paginationOpts);
}

/** Others' projects that everybody who is signed in may see, oldest first. */
export async function pagePublic(
  ctx: QueryCtx,
  paginationOpts: PaginationOptions,
): Promise<PaginationResult<Doc<"projects">>> {
  const { user } = await requireAuth(ctx);
  const result = await ctx.db
    .query("projects")
    .withIndex("by_public", (q) => q.eq("settings.isPublic", true).eq("deletedAt", undefined))
    .paginate(paginationOpts);
  return { ...result, page: result.page.filter(({ userId }) => userId !== user._id) };
}

/** One project that the caller may see; null for every other one, whether there is one or not. */
export async function getVisible(
  ctx: QueryCtx,
  id: Id<"projects">,
): Promise<(Doc<"projects"> & { isOwner: boolean }) | null> {
  const caller = await requireAuth(ctx);
  const project = await findVisible(ctx, caller, id);
  return project === null ? null : { ...project, isOwner: project.userId === caller.user._id };
}

/** The caller's projects whose names match best. */
export async function search(
  ctx: QueryCtx,
  { query, status }: { readonly query: string; readonly status?: ProjectStatus | undefined },
): Promise<Doc<"projects">[]> {
  const { user } = await requireAuth(ctx);
  return await searchOf(ctx, user._id, query, status);
}

/** The same for a user whom the caller of this function answers for, e.g. a tool of the assistant. */
export async function searchOf(
  ctx: QueryCtx,
  userId: Id<"users">,
  query: string,
  status?: ProjectStatus,
): Promise<Doc<"projects">[]> {
  const text = query.trim().slice(0, limits.searchCharsMax);
  if (text === "") return [];
  return await ctx.db
    .query("projects")
    .withSearchIndex("search_projects", (q) => {
      const own = q.search("name", text).eq("userId", userId).eq("deletedAt", undefined);
      return status === undefined ? own : own.eq("status", status);
    })
    .take(searchResultsMax);
}

/** A project with its newest comments, read in one transaction. */
export async function getWithMessages(
  ctx: QueryCtx,
  projectId: Id<"projects">,
): Promise<{ project: Doc<"projects">; messages: Doc<"messages">[] } | null> {
  const project = await ctx.db.get(projectId);
  if (project === null || project.deletedAt !== undefined) return null;
  const messages = await ctx.db
    .query("messages")
    .withIndex("by_project", (q) => q.eq("projectId", projectId))
    .order("desc")
    .take(messagesMax);
  return { project, messages: messages.reverse() };
}

/** A living project that is the caller's own or public. */
export async function findVisible(
  ctx: QueryCtx,
  { user }: Caller,
  id: Id<"projects">,
): Promise<Doc<"projects"> | null> {
  const project = await ctx.db.get(id);
  if (project === null || project.deletedAt !== undefined) return null;
  return project.userId === user._id || project.settings.isPublic ? project : null;
}

/**
 * The same for whoever cannot do without one.
 *
 * @throws NOT_FOUND
 */
export async function requireVisible(
  ctx: QueryCtx,
  caller: Caller,
  id: Id<"projects">,
): Promise<Doc<"projects">> {
  const project = await findVisible(ctx, caller, id);
  if (project === null) throw backendError("NOT_FOUND", "Project not found");
  return project;
}

/**
 * A living project of the caller's own.
 *
 * @throws NOT_FOUND, also for those that the caller may not even see; UNAUTHORIZED for public ones of others
 */
export async function requireOwn(
  ctx: QueryCtx,
  caller: Caller,
  id: Id<"projects">,
): Promise<Doc<"projects">> {
  const project = await requireVisible(ctx, caller, id);
  if (project.userId !== caller.user._id) throw backendError("UNAUTHORIZED", "Unauthorized");
  return project;
}

/** How many living projects a user has, counted no further than needed. */
export async function countOf(ctx: QueryCtx, userId: Id<"users">): Promise<number> {
  return (await ownProjects(ctx, userId).take(projectsMax)).length;
}

/** A user's living projects, oldest first. */
function ownProjects(ctx: QueryCtx, userId: Id<"users">, status?: ProjectStatus) {
  const projects = ctx.db.query("projects");
  return status === undefined
    ? projects.withIndex("by_user_living", (q) => q.eq("userId", userId).eq("deletedAt", undefined))
    : projects.withIndex("by_user_status", (q) =>
        q.eq("userId", userId).eq("deletedAt", undefined).eq("status", status),
      );
}
