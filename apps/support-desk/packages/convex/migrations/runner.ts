import { v } from "convex/values";
import { internal } from "../_generated/api.js";
import { internalMutation, internalQuery } from "../_generated/server.js";
import { appError } from "../model/errors.ts";
import { findWorkflow, startWorkflow } from "../model/workflows.ts";
import { migrationNames, migrations } from "./registry.ts";

const batchRows = 100;
const errorLengthMax = 500;

const migrationName = v.union(...migrationNames.map((name) => v.literal(name)));

/**
 * Starts a migration, or goes on with one that was paused or has failed:
 * `npx convex run migrations/runner:start '{"name": "backfillPriorityRank"}'`
 */
export const start = internalMutation({
  args: { name: migrationName, fromStart: v.optional(v.boolean()) },
  returns: v.string(),
  handler: async (ctx, { name, fromStart }) => {
    const { workflow, wasRunning } = await startWorkflow(ctx, "migration", `migration:${name}`, {
      fromStart: fromStart ?? false,
    });
    if (wasRunning) return `${name} is running already: ${workflow.done} rows so far.`;
    await ctx.scheduler.runAfter(0, internal.migrations.runner.step, { name });
    return workflow.done === 0 ? `${name} has been started.` : `${name} goes on after ${workflow.done} rows.`;
  },
});

/**
 * One batch, all of it or nothing. The next one is scheduled in the same transaction, so that none is lost or run twice.
 * A row that cannot be migrated ends it, with what is known of it in `error`; `start` goes on with the same batch.
 */
export const step = internalMutation({
  args: { name: migrationName },
  returns: v.null(),
  handler: async (ctx, { name }) => {
    const workflow = await findWorkflow(ctx, `migration:${name}`);
    if (workflow === null || workflow.status !== "running") return null;
    let page: { isDone: boolean; continueCursor: string; rows: number };
    try {
      // In a call of its own: what it has written goes back when it throws.
      page = await ctx.runMutation(internal.migrations.runner.batch, { name, cursor: workflow.cursor });
    } catch (error) {
      const text = String((error as Error).message ?? error).slice(0, errorLengthMax);
      console.error(`${name} has failed after ${workflow.done} rows: ${text}`);
      await ctx.db.patch("workflows", workflow._id, {
        status: "failed",
        attempts: workflow.attempts + 1,
        error: text,
        updatedAt: Date.now(),
      });
      return null;
    }
    await ctx.db.patch("workflows", workflow._id, {
      step: "rows",
      cursor: page.continueCursor,
      done: workflow.done + page.rows,
      status: page.isDone ? "completed" : "running",
      updatedAt: Date.now(),
    });
    console.log(`${name}: ${workflow.done + page.rows} rows${page.isDone ? ", done" : ""}`);
    if (!page.isDone) await ctx.scheduler.runAfter(0, internal.migrations.runner.step, { name });
    return null;
  },
});

export const batch = internalMutation({
  args: { name: migrationName, cursor: v.union(v.string(), v.null()) },
  returns: v.object({ isDone: v.boolean(), continueCursor: v.string(), rows: v.number() }),
  handler: async (ctx, { name, cursor }) => {
    const { table, migrate } = migrations[name];
    const { page, isDone, continueCursor } = await ctx.db
      .query(table)
      .paginate({ cursor, numItems: batchRows });
    for (const row of page) await migrate(ctx, row);
    return { isDone, continueCursor, rows: page.length };
  },
});

/** Stops after the batch that runs; `start` goes on from there. */
export const pause = internalMutation({
  args: { name: migrationName },
  returns: v.null(),
  handler: async (ctx, { name }) => {
    const workflow = await findWorkflow(ctx, `migration:${name}`);
    if (workflow === null || workflow.status !== "running")
      throw appError("conflict", `${name} is not running.`);
    await ctx.db.patch("workflows", workflow._id, { status: "paused", updatedAt: Date.now() });
    return null;
  },
});

/** `npx convex run --watch migrations/runner:status '{"name": "backfillPriorityRank"}'` */
export const status = internalQuery({
  args: { name: migrationName },
  handler: async (ctx, { name }) => {
    const workflow = await findWorkflow(ctx, `migration:${name}`);
    if (workflow === null) return { status: "not started" as const, done: 0 };
    const { status, done, error } = workflow;
    return error === undefined ? { status, done } : { status, done, error };
  },
});
