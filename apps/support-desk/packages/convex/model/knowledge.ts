import type { Infer } from "convex/values";
import { internal } from "../_generated/api.js";
import type { Doc } from "../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../_generated/server.js";
import { chunksOf, plainText } from "../rag/chunks.ts";
import type { knowledgeFormat } from "../schema.ts";
import { track } from "./analytics.ts";
import { appError } from "./errors.ts";
import { limits } from "./limits.ts";
import { hashText } from "./tokens.ts";
import { checkText } from "./validation.ts";
import { startWorkflow } from "./workflows.ts";

/** See `knowledge.ingestDocument`. */
export async function storeDocument(
  ctx: MutationCtx,
  document: {
    documentId: string;
    title: string;
    type: Doc<"knowledge">["type"];
    format: Infer<typeof knowledgeFormat>;
    content: string;
    source?: string;
  },
): Promise<{ chunks: number; version: number }> {
  const title = checkText(document.title, "title", limits.titleLengthMax);
  const documentId = checkText(document.documentId, "documentId", limits.titleLengthMax);
  const format = document.format === "pdf" ? "text" : document.format;
  const content = checkText(plainText(format, document.content), "content", limits.documentLengthMax);
  const chunks = chunksOf(content);
  if (chunks.length > limits.chunksPerDocumentMax)
    throw appError("invalid", "This document is too long: make it several.", { field: "content" });

  const before = await rowsOfDocument(ctx, documentId);
  const version = Math.max(0, ...before.map((row) => row.version)) + 1;
  // Equal passages keep their vector: a corrected comma does not cost a whole document.
  const vectors = new Map(
    before.flatMap((row) => (row.embedding === undefined ? [] : [[row.contentHash, row] as const])),
  );
  for (const { _id } of before) await ctx.db.delete("knowledge", _id);
  const shared = {
    documentId,
    version,
    title,
    type: document.type,
    format: document.format,
    active: before.find(({ kind }) => kind === "document")?.active ?? true,
    ...(document.source === undefined ? {} : { source: document.source }),
  };
  await ctx.db.insert("knowledge", {
    ...shared,
    kind: "document",
    position: 0,
    content,
    contentHash: await hashText(content),
  });
  for (const [position, text] of chunks.entries()) {
    const contentHash = await hashText(`${title}\n${text}`);
    const known = vectors.get(contentHash);
    await ctx.db.insert("knowledge", {
      ...shared,
      kind: "chunk",
      position,
      content: text,
      contentHash,
      ...(known?.embedding === undefined
        ? {}
        : { embedding: known.embedding, embeddingModel: known.embeddingModel ?? "" }),
    });
  }
  await track(ctx, "document_ingested", { value: chunks.length });
  const key = `embedding:${documentId}`;
  await startWorkflow(ctx, "embedding", key, { total: chunks.length, fromStart: true });
  await ctx.scheduler.runAfter(0, internal.rag.embedding.step, { key, documentId });
  return { chunks: chunks.length, version };
}

/** A document and its passages; none for an unknown id. */
export async function rowsOfDocument(ctx: QueryCtx, documentId: string): Promise<Doc<"knowledge">[]> {
  return await ctx.db
    .query("knowledge")
    .withIndex("by_document", (q) => q.eq("documentId", documentId))
    .take(limits.chunksPerDocumentMax + 1);
}
