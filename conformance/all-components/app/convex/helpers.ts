import { makeMigration, startMigration, getStatus } from "convex-helpers/server/migrations";
import { customAction, customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions";
import { filter } from "convex-helpers/server/filter";
import { paginator } from "convex-helpers/server/pagination";
import { defineRateLimits, isRateLimitError } from "convex-helpers/server/rateLimit";
import {
  getAll,
  getManyFrom,
  getManyVia,
  getOneFrom,
  getOneFromOrThrow,
} from "convex-helpers/server/relationships";
import { makeActionRetrier } from "convex-helpers/server/retries";
import { wrapDatabaseReader, wrapDatabaseWriter, type Rules } from "convex-helpers/server/rowLevelSecurity";
import { SessionIdArg } from "convex-helpers/server/sessions";
import { mergedStream, stream } from "convex-helpers/server/stream";
import { Triggers } from "convex-helpers/server/triggers";
import { zCustomQuery, zid, zodToConvex } from "convex-helpers/server/zod4";
import { nullable, partial, literals } from "convex-helpers/validators";
import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { z } from "zod";
import { internal } from "./_generated/api";
import type { DataModel, Doc } from "./_generated/dataModel";
import {
  action,
  internalAction,
  internalMutation,
  mutation,
  query,
  type MutationCtx,
  type QueryCtx,
} from "./_generated/server";
import schema from "./schema";

/* Triggers: the count of an author's posts follows the posts, whoever writes them. */

const triggers = new Triggers<DataModel>();
triggers.register("posts", async (ctx, change) => {
  const author = change.newDoc?.author ?? change.oldDoc?.author;
  if (author === undefined || change.operation === "update") return;
  const { posts } = (await ctx.db.get(author)) as Doc<"authors">;
  await ctx.db.patch(author, { posts: posts + (change.operation === "insert" ? 1 : -1) });
});
triggers.register("authors", async (ctx, { operation, id }) => {
  if (operation !== "delete") return;
  // Deleting through `ctx.db` sets the triggers of the posts off.
  for (const { _id } of await getManyFrom(ctx.db, "posts", "author", id, "author"))
    await ctx.innerDb.delete(_id);
});
const countingMutation = customMutation(mutation, customCtx(triggers.wrapDB));

export const addAuthor = countingMutation({
  args: { name: v.string() },
  handler: (ctx, { name }) => ctx.db.insert("authors", { name, posts: 0 }),
});
export const addPost = countingMutation({
  args: {
    author: v.id("authors"),
    title: v.string(),
    isPublic: v.boolean(),
    stars: v.number(),
    tags: v.array(v.string()),
  },
  handler: async (ctx, { tags, ...fields }) => {
    const post = await ctx.db.insert("posts", fields);
    for (const name of tags) {
      const tag =
        (await getOneFrom(ctx.db, "tags", "name", name))?._id ?? (await ctx.db.insert("tags", { name }));
      await ctx.db.insert("taggings", { post, tag });
    }
    return post;
  },
});
export const removePost = countingMutation({
  args: { id: v.id("posts") },
  handler: (ctx, { id }) => ctx.db.delete(id),
});
export const removeAuthor = countingMutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) =>
    ctx.db.delete((await getOneFromOrThrow(ctx.db, "authors", "name", name))._id),
});

/* Relationships. */

export const bookOf = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const author = await getOneFrom(ctx.db, "authors", "name", name);
    if (author === null) return null;
    const posts = await getManyFrom(ctx.db, "posts", "author", author._id, "author");
    const tags = await Promise.all(
      posts.map((post) => getManyVia(ctx.db, "taggings", "tag", "post", post._id)),
    );
    const again = await getAll(
      ctx.db,
      posts.map(({ _id }) => _id),
    );
    return {
      count: author.posts,
      posts: posts.map(({ title, slug }, i) => [title, tags[i]?.map((tag) => tag?.name), slug ?? null]),
      found: again.length,
    };
  },
});

/* Row-level security: what is not public is its author's alone. */

const rules: Rules<{ name: string }, DataModel> = {
  posts: {
    read: async ({ name }, { isPublic, title }) => isPublic || title.endsWith(`by ${name}`),
    modify: async ({ name }, { title }) => title.endsWith(`by ${name}`),
    insert: async ({ name }, { title }) => title.endsWith(`by ${name}`),
  },
};
const asReader = customQuery(query, {
  args: { as: v.string() },
  input: async (ctx: QueryCtx, { as: name }) => ({
    ctx: { db: wrapDatabaseReader({ name }, ctx.db, rules) },
    args: {},
  }),
});
const asWriter = customMutation(mutation, {
  args: { as: v.string() },
  input: async (ctx: MutationCtx, { as: name }) => ({
    ctx: { db: wrapDatabaseWriter({ name }, ctx.db, rules) },
    args: {},
  }),
});
export const titles = asReader({
  args: {},
  handler: async (ctx) => (await ctx.db.query("posts").collect()).map(({ title }) => title),
});
export const star = asWriter({
  args: { id: v.id("posts"), stars: v.number() },
  handler: (ctx, { id, stars }) => ctx.db.patch(id, { stars }),
});

/* Filters in code, pages and merged streams, also several in one function. */

export const odd = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => {
    const posts = filter(ctx.db.query("posts").withIndex("stars"), ({ stars }) => stars % 2 === 1);
    const { page, ...rest } = await posts.paginate(paginationOpts);
    return { ...rest, page: page.map(({ stars }) => stars) };
  },
});
export const twoPages = query({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => {
    const pageOf = (order: "asc" | "desc") =>
      paginator(ctx.db, schema).query("posts").withIndex("stars").order(order).paginate(paginationOpts);
    const [up, down] = [await pageOf("asc"), await pageOf("desc")];
    return {
      up: up.page.map(({ stars }) => stars),
      down: down.page.map(({ stars }) => stars),
      cursor: up.continueCursor,
    };
  },
});
export const merged = query({
  args: { names: v.array(v.string()), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { names, paginationOpts }) => {
    const authors = await Promise.all(
      names.map((name) => getOneFromOrThrow(ctx.db, "authors", "name", name)),
    );
    const streams = authors.map(({ _id }) =>
      stream(ctx.db, schema)
        .query("posts")
        .withIndex("author", (q) => q.eq("author", _id))
        .order("desc"),
    );
    const best = mergedStream(streams, ["stars"]).filterWith(async ({ isPublic }) => isPublic);
    const { page, ...rest } = await best.paginate(paginationOpts);
    return { ...rest, page: page.map(({ stars }) => stars) };
  },
});

/* Zod. */

const zodQuery = zCustomQuery(query, { args: {}, input: async () => ({ ctx: {}, args: {} }) });
export const checked = zodQuery({
  args: { email: z.email(), post: zid("posts"), times: z.number().int().min(1).default(2) },
  returns: z.object({ email: z.string(), stars: z.number().max(100) }),
  handler: async (ctx, { email, post, times }) => {
    const { stars } = (await ctx.db.get(post)) as Doc<"posts">;
    return { email: email.toLowerCase(), stars: stars * times };
  },
});
export const sameValidator = query({
  args: {
    point: zodToConvex(z.object({ x: z.number(), tag: z.string().optional() })),
    kind: literals("a", "b"),
  },
  returns: nullable(v.object(partial({ x: v.number(), tag: v.string() }))),
  handler: (_ctx, { point, kind }) => (kind === "a" ? point : null),
});

/* Rate limits in the app's own tables. */

const { rateLimit, checkRateLimit, resetRateLimit } = defineRateLimits({
  ask: { kind: "fixed window", rate: 2, period: 3_600_000 },
});
export const ask = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    try {
      await rateLimit(ctx, { name: "ask", key, throws: true });
      return "asked";
    } catch (error) {
      if (!isRateLimitError(error)) throw error;
      return `${error.data.kind} ${(await checkRateLimit(ctx, { name: "ask", key })).ok}`;
    }
  },
});
export const forgive = mutation({
  args: { key: v.string() },
  handler: (ctx, { key }) => resetRateLimit(ctx, { name: "ask", key }),
});

/* Sessions and custom actions. */

export const visits = mutation({
  args: { ...SessionIdArg },
  handler: async (ctx, { sessionId }) => {
    await ctx.db.insert("events", { name: `session ${sessionId}`, value: null });
    const mine = ctx.db.query("events").withIndex("by_name", (q) => q.eq("name", `session ${sessionId}`));
    return (await mine.collect()).length;
  },
});
const keyedAction = customAction(action, {
  args: { key: v.string() },
  input: async (_ctx, { key }) => {
    if (key !== "open sesame") throw new Error("Invalid key");
    return { ctx: { key }, args: {}, onSuccess: () => console.log("closed") };
  },
});
export const treasure = keyedAction({ args: {}, handler: async (ctx) => ctx.key.length });

/* Retries. */

export const { runWithRetries, retry } = makeActionRetrier("helpers:retry", {
  waitBackoff: 10,
  retryBackoff: 10,
});
export const shaky = internalAction({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await ctx.runMutation(internal.events.record, { name, value: "try" });
    if ((await ctx.runQuery(internal.work.tries, { name })) < 3) throw new Error("not yet");
  },
});
export const tryShaky = mutation({
  args: { name: v.string() },
  handler: (ctx, { name }) => runWithRetries(ctx, internal.helpers.shaky, { name }),
});

export const outcomes = query({
  args: {},
  handler: async (ctx) => {
    const jobs = await ctx.db.system.query("_scheduled_functions").collect();
    return jobs.filter(({ name }) => name === "helpers.js:shaky").map(({ state }) => state.kind);
  },
});

/* Migrations in the app's own table. */

const migration = makeMigration(internalMutation, { migrationTable: "migrations", defaultBatchSize: 2 });
export const addSlugs = migration({
  table: "posts",
  migrateOne: (_ctx, { title }) => ({ slug: title.toLowerCase().replaceAll(" ", "-") }),
});
export const migrate = mutation({
  args: {},
  handler: (ctx) => startMigration(ctx, internal.helpers.addSlugs),
});
export const migrated = query({
  args: {},
  handler: async (ctx) => {
    const migrations = [internal.helpers.addSlugs];
    const [status] = await getStatus(ctx, { migrationTable: "migrations", migrations });
    return {
      isDone: status?.isDone,
      processed: status !== undefined && "processed" in status ? status.processed : 0,
    };
  },
});
