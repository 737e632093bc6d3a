import { v } from "convex/values";
import { internal } from "../_generated/api.js";
import type { Doc } from "../_generated/dataModel.js";
import { internalAction, internalMutation, internalQuery } from "../_generated/server.js";
import { attemptsMax, findWorkflow } from "../model/workflows.ts";
import { embed, embeddingBatch, hasLlm } from "./llm.ts";

const retryMs = 2_000;

/**
 * One step of embedding passages: a batch, then the next one is scheduled in the transaction that stores this one. A
 * step that is lost with its process is run again by the cron that looks for workflows that stand still.
 */
export const step = internalAction({
  args: { key: v.string(), documentId: v.optional(v.string()) },
  returns: v.null(),
  handler: async (ctx, { key, documentId }) => {
    // Words find the passages meanwhile; with a key set, `reembedAll` does the rest.
    const work = hasLlm()
      ? await ctx.runQuery(internal.rag.embedding.nextBatch, {
          key,
          ...(documentId === undefined ? {} : { documentId }),
        })
      : null;
    if (work === null) {
      await ctx.runMutation(internal.rag.embedding.finished, { key });
      return null;
    }
    try {
      const { vectors, model } = await embed(work.rows.map(({ title, content }) => `${title}\n${content}`));
      await ctx.runMutation(internal.rag.embedding.store, {
        key,
        cursor: work.cursor,
        model,
        vectors: work.rows.map(({ _id, contentHash }, position) => ({
          id: _id,
          contentHash,
          vector: vectors[position] ?? [],
        })),
        ...(documentId === undefined ? {} : { documentId }),
      });
    } catch (error) {
      const text = String((error as Error).message ?? error).slice(0, 500);
      await ctx.runMutation(internal.rag.embedding.failed, {
        key,
        error: text,
        ...(documentId === undefined ? {} : { documentId }),
      });
    }
    return null;
  },
});

/** The passages that come next: of a document those without a vector, of all every one after the cursor. */
export const nextBatch = internalQuery({
  args: { key: v.string(), documentId: v.optional(v.string()) },
  handler: async (ctx, { key, documentId }) => {
    const workflow = await findWorkflow(ctx, key);
    if (workflow === null || workflow.status !== "running") return null;
    const fields = ({ _id, title, content, contentHash }: Doc<"knowledge">) => ({
      _id,
      title,
      content,
      contentHash,
    });
    if (documentId !== undefined) {
      const rows = await ctx.db
        .query("knowledge")
        .withIndex("by_document", (q) => q.eq("documentId", documentId).eq("kind", "chunk"))
        .collect();
      const missing = rows.filter(({ embedding }) => embedding === undefined).slice(0, embeddingBatch);
      return missing.length === 0 ? null : { rows: missing.map(fields), cursor: null };
    }
    if (workflow.step === "last") return null;
    const page = await ctx.db
      .query("knowledge")
      .withIndex("by_active", (q) => q.eq("kind", "chunk"))
      .paginate({ cursor: workflow.cursor, numItems: embeddingBatch });
    if (page.page.length === 0) return null;
    return { rows: page.page.map(fields), cursor: page.isDone ? "last" : page.continueCursor };
  },
});

export const store = internalMutation({
  args: {
    key: v.string(),
    documentId: v.optional(v.string()),
    cursor: v.union(v.string(), v.null()),
    model: v.string(),
    vectors: v.array(
      v.object({ id: v.id("knowledge"), contentHash: v.string(), vector: v.array(v.float64()) }),
    ),
  },
  returns: v.null(),
  handler: async (ctx, { key, documentId, cursor, model, vectors }) => {
    const workflow = await findWorkflow(ctx, key);
    if (workflow === null || workflow.status !== "running") return null;
    for (const { id, contentHash, vector } of vectors) {
      const row = await ctx.db.get("knowledge", id);
      // A new version of the document has come meanwhile; it has a workflow of its own.
      if (row === null || row.contentHash !== contentHash) continue;
      await ctx.db.patch("knowledge", id, { embedding: vector, embeddingModel: model });
    }
    await ctx.db.patch("workflows", workflow._id, {
      step: cursor === "last" ? "last" : "embed",
      cursor: cursor === "last" ? workflow.cursor : cursor,
      done: workflow.done + vectors.length,
      attempts: 0,
      updatedAt: Date.now(),
    });
    await ctx.scheduler.runAfter(0, internal.rag.embedding.step, {
      key,
      ...(documentId === undefined ? {} : { documentId }),
    });
    return null;
  },
});

export const finished = internalMutation({
  args: { key: v.string() },
  returns: v.null(),
  handler: async (ctx, { key }) => {
    const workflow = await findWorkflow(ctx, key);
    if (workflow?.status === "running")
      await ctx.db.patch("workflows", workflow._id, { status: "completed", updatedAt: Date.now() });
    return null;
  },
});

export const failed = internalMutation({
  args: { key: v.string(), documentId: v.optional(v.string()), error: v.string() },
  returns: v.null(),
  handler: async (ctx, { key, documentId, error }) => {
    const workflow = await findWorkflow(ctx, key);
    if (workflow === null || workflow.status !== "running") return null;
    const attempts = workflow.attempts + 1;
    const isOver = attempts >= attemptsMax;
    await ctx.db.patch("workflows", workflow._id, {
      attempts,
      error,
      status: isOver ? "failed" : "running",
      updatedAt: Date.now(),
    });
    if (!isOver)
      await ctx.scheduler.runAfter(retryMs * 2 ** attempts, internal.rag.embedding.step, {
        key,
        ...(documentId === undefined ? {} : { documentId }),
      });
    return null;
  },
});
