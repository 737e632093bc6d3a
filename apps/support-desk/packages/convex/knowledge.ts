import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { internal } from "./_generated/api.js";
import { action, internalMutation, internalQuery, mutation, query } from "./_generated/server.js";
import { rowsOfDocument, storeDocument } from "./model/knowledge.ts";
import { limits } from "./model/limits.ts";
import { requireAdmin, requireStaff } from "./model/sessions.ts";
import { checkText } from "./model/validation.ts";
import { startWorkflow } from "./model/workflows.ts";
import { findPassages } from "./rag/answer.ts";
import { knowledgeType } from "./schema.ts";

const textFormat = v.union(v.literal("markdown"), v.literal("text"), v.literal("html"));

/**
 * Puts a document into the knowledge base, or a new version in place of the one it has under this id. Passages that
 * have not changed keep their embedding; the others are embedded in the background, in steps.
 *
 * @throws `forbidden`, `invalid` (title, content)
 */
export const ingestDocument = mutation({
  args: {
    token: v.string(),
    documentId: v.string(),
    title: v.string(),
    type: knowledgeType,
    format: textFormat,
    content: v.string(),
    source: v.optional(v.string()),
  },
  returns: v.object({ chunks: v.number(), version: v.number() }),
  handler: async (ctx, { token, ...document }) => {
    await requireStaff(ctx, token);
    return await storeDocument(ctx, document);
  },
});

/** The same for a PDF, whose text an action reads out of an uploaded file (see `uploadUrl`). */
export const ingestPdf = action({
  args: {
    token: v.string(),
    documentId: v.string(),
    title: v.string(),
    type: knowledgeType,
    fileId: v.id("_storage"),
    source: v.optional(v.string()),
  },
  returns: v.object({ chunks: v.number(), version: v.number() }),
  handler: async (ctx, { token, fileId, ...document }): Promise<{ chunks: number; version: number }> => {
    await ctx.runQuery(internal.knowledge.checkStaff, { token });
    const content = await ctx.runAction(internal.rag.pdf.textOfPdf, { fileId });
    return await ctx.runMutation(internal.knowledge.storePdf, { ...document, content, fileId });
  },
});

/** Where to send a PDF before `ingestPdf`. */
export const uploadUrl = mutation({
  args: { token: v.string() },
  returns: v.string(),
  handler: async (ctx, { token }) => {
    await requireStaff(ctx, token);
    return await ctx.storage.generateUploadUrl();
  },
});

/** Takes a document out of the answers, or back in. Nothing is deleted. */
export const setActive = mutation({
  args: { token: v.string(), documentId: v.string(), active: v.boolean() },
  returns: v.null(),
  handler: async (ctx, { token, documentId, active }) => {
    await requireStaff(ctx, token);
    for (const row of await rowsOfDocument(ctx, documentId))
      await ctx.db.patch("knowledge", row._id, { active });
    return null;
  },
});

/** Deletes a document with its passages. */
export const deleteDocument = mutation({
  args: { token: v.string(), documentId: v.string() },
  returns: v.null(),
  handler: async (ctx, { token, documentId }) => {
    await requireAdmin(ctx, token);
    for (const row of await rowsOfDocument(ctx, documentId)) await ctx.db.delete("knowledge", row._id);
    return null;
  },
});

/** All embeddings anew, e.g. after a change of EMBEDDING_MODEL. Watch it with `workflows.list`. */
export const reembedAll = mutation({
  args: { token: v.string() },
  returns: v.null(),
  handler: async (ctx, { token }) => {
    await requireAdmin(ctx, token);
    await startWorkflow(ctx, "embedding", "embedding:all", { fromStart: true });
    await ctx.scheduler.runAfter(0, internal.rag.embedding.step, { key: "embedding:all" });
    return null;
  },
});

/** Documents by title: all, of one type, or those that are (not) in use. */
export const listDocuments = query({
  args: {
    token: v.string(),
    type: v.optional(knowledgeType),
    active: v.optional(v.boolean()),
    paginationOpts: paginationOptsValidator,
  },
  handler: async (ctx, { token, type, active, paginationOpts }) => {
    await requireStaff(ctx, token);
    const documents =
      type === undefined
        ? ctx.db
            .query("knowledge")
            .withIndex("by_active", (q) => q.eq("kind", "document").eq("active", active ?? true))
        : ctx.db.query("knowledge").withIndex("by_type", (q) => q.eq("kind", "document").eq("type", type));
    const page = await documents.paginate(paginationOpts);
    const shown = page.page.filter((row) => active === undefined || row.active === active);
    return {
      ...page,
      page: shown.map(({ content, embedding: _embedding, ...row }) => ({ ...row, length: content.length })),
    };
  },
});

/** A document with its passages, and how many of them can be found by meaning. */
export const getDocument = query({
  args: { token: v.string(), documentId: v.string() },
  handler: async (ctx, { token, documentId }) => {
    await requireStaff(ctx, token);
    const rows = await rowsOfDocument(ctx, documentId);
    const head = rows.find(({ kind }) => kind === "document");
    if (head === undefined) return null;
    const chunks = rows.filter(({ kind }) => kind === "chunk");
    return {
      documentId,
      title: head.title,
      type: head.type,
      format: head.format,
      version: head.version,
      active: head.active,
      content: head.content,
      source: head.source,
      chunks: chunks.length,
      embedded: chunks.filter(({ embedding }) => embedding !== undefined).length,
    };
  },
});

/** What the bot would be shown for a question, best first. */
export const search = action({
  args: { token: v.string(), question: v.string() },
  handler: async (
    ctx,
    { token, question },
  ): Promise<{ documentId: string; title: string; content: string; score: number }[]> => {
    await ctx.runQuery(internal.knowledge.checkStaff, { token });
    const found = await findPassages(ctx, checkText(question, "question", limits.messageLengthMax));
    return found.map(({ row: { documentId, title, content }, score }) => ({
      documentId,
      title,
      content,
      score,
    }));
  },
});

// ---- for this package's own actions

export const checkStaff = internalQuery({
  args: { token: v.string() },
  returns: v.null(),
  handler: async (ctx, { token }) => {
    await requireStaff(ctx, token);
    return null;
  },
});

export const storePdf = internalMutation({
  args: {
    documentId: v.string(),
    title: v.string(),
    type: knowledgeType,
    content: v.string(),
    source: v.optional(v.string()),
    fileId: v.id("_storage"),
  },
  returns: v.object({ chunks: v.number(), version: v.number() }),
  handler: async (ctx, { fileId, ...document }) => {
    await ctx.storage.delete(fileId);
    return await storeDocument(ctx, { ...document, format: "pdf" });
  },
});
