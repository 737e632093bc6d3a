import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server.js";
import * as Projects from "./app/projects/model.ts";
import * as Changes from "./app/projects/mutations.ts";
import { projectSettingsValidator, projectStatusValidator } from "./schema.ts";

const status = v.optional(projectStatusValidator);

/** The caller's projects, oldest first. */
export const list = query({
  args: { status },
  handler: async (ctx, args) => await Projects.listForCurrentUser(ctx, args),
});

/** The caller's projects, page by page. */
export const page = query({
  args: { status, paginationOpts: paginationOptsValidator },
  handler: async (ctx, args) => await Projects.pageForCurrentUser(ctx, args),
});

/** Others' public projects, page by page. */
export const listPublic = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => await Projects.pagePublic(ctx, paginationOpts),
});

/** One project that the caller may see, or null. */
export const get = query({
  args: { id: v.id("projects") },
  handler: async (ctx, { id }) => await Projects.getVisible(ctx, id),
});

/** The caller's projects whose names match best. */
export const search = query({
  args: { query: v.string(), status },
  handler: async (ctx, args) => await Projects.search(ctx, args),
});

/** A new project of the caller's. */
export const create = mutation({
  args: {
    name: v.string(),
    description: v.optional(v.string()),
    status,
    settings: v.optional(projectSettingsValidator),
  },
  handler: async (ctx, args) => await Changes.create(ctx, args),
});

/** Changes a project of the caller's. */
export const update = mutation({
  args: {
    id: v.id("projects"),
    name: v.optional(v.string()),
    description: v.optional(v.string()),
    status,
    settings: v.optional(projectSettingsValidator),
  },
  handler: async (ctx, args) => {
    await Changes.update(ctx, args);
    return null;
  },
});

/** Deletes a project of the caller's; `restore` brings it back. */
export const remove = mutation({
  args: { id: v.id("projects") },
  handler: async (ctx, { id }) => {
    await Changes.remove(ctx, id);
    return null;
  },
});

/** Brings a deleted project of the caller's back. */
export const restore = mutation({
  args: { id: v.id("projects") },
  handler: async (ctx, { id }) => {
    await Changes.restore(ctx, id);
    return null;
  },
});

/** The projects of a user whom the caller answers for: the assistant's tool. */
export const searchOf = internalQuery({
  args: { userId: v.id("users"), query: v.string(), status },
  handler: async (ctx, args) => await Projects.searchOf(ctx, args.userId, args.query, args.status),
});

/** A new project of a user whom the caller answers for: the assistant's tool, and the onboarding. */
export const createOf = internalMutation({
  args: { userId: v.id("users"), name: v.string(), description: v.optional(v.string()) },
  handler: async (ctx, { userId, ...project }) => {
    const user = await ctx.db.get(userId);
    return user === null ? null : await Changes.createFor(ctx, user, project);
  },
});

/** A project with its newest comments, for actions: one snapshot. */
export const getWithMessages = internalQuery({
  args: { projectId: v.id("projects") },
  handler: async (ctx, { projectId }) => await Projects.getWithMessages(ctx, projectId),
});

/** Keeps what a model has said about a project. */
export const updateSummary = internalMutation({
  args: { projectId: v.id("projects"), summary: v.string() },
  handler: async (ctx, { projectId, summary }) => {
    await ctx.db.patch(projectId, { summary, updatedAt: Date.now() });
    return null;
  },
});

/** Takes over a project from another system. No caller to check: it is internal. */
export const syncProject = internalMutation({
  args: {
    userId: v.id("users"),
    externalId: v.string(),
    data: v.object({ name: v.string(), description: v.optional(v.string()) }),
  },
  handler: async (ctx, args) => await Changes.syncFromExternal(ctx, args),
});

/** Archives drafts that nobody has touched for long. A cron calls it; it goes on by itself. */
export const archiveStaleDrafts = internalMutation({
  args: { cursor: v.optional(v.string()) },
  handler: async (ctx, { cursor }) => await Changes.archiveStaleDrafts(ctx, cursor ?? null),
});
