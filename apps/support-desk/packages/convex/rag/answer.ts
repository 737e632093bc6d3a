import { v } from "convex/values";
import { internal } from "../_generated/api.js";
import type { Doc, Id } from "../_generated/dataModel.js";
import { type ActionCtx, internalAction, internalQuery } from "../_generated/server.js";
import { limits, relevanceMin } from "../model/limits.ts";
import { chat, embed, hasLlm } from "./llm.ts";
import { asksForPerson, citedPositions, promptOf, unknownMark } from "./prompt.ts";

interface Found {
  readonly row: Doc<"knowledge">;
  readonly score: number;
}

/**
 * Answers a customer's message from the knowledge base, with citations. When the base does not know, the model fails,
 * or the customer wants a person, the conversation goes to people: a customer never waits for nobody.
 */
export const answer = internalAction({
  args: { conversationId: v.id("conversations"), messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { conversationId }) => {
    const context = await ctx.runQuery(internal.messages.historyForBot, { conversationId });
    const question = context?.messages.at(-1);
    // People have it, or a later message is being answered, or the bot has spoken since.
    if (context === null || question === undefined || question.role !== "user") return null;
    if (asksForPerson(question.content)) {
      await handOver(ctx, conversationId, "Asked for a person");
      return null;
    }
    const messageId = await ctx.runMutation(internal.messages.sendAgentMessage, {
      conversationId,
      content: "",
      state: "pending",
    });
    if (messageId === null) return null;
    const startedMs = Date.now();
    try {
      const found = await findPassages(ctx, question.content);
      const best = found[0]?.score ?? 0;
      const said = hasLlm()
        ? await ask(found, context)
        : {
            text: found.length === 0 ? unknownMark : quote(found),
            model: "none",
            promptTokens: 0,
            completionTokens: 0,
          };
      if (said.text.includes(unknownMark)) {
        await drop(ctx, conversationId, messageId, "I do not know this one. Let me get somebody who does.");
        await handOver(ctx, conversationId, "The knowledge base has no answer");
        return null;
      }
      const { text, ...usage } = said;
      await ctx.runMutation(internal.messages.sendAgentMessage, {
        conversationId,
        messageId,
        content: text,
        state: "sent",
        citations: citedPositions(text, found.length).map((position) => citationOf(found[position] as Found)),
        metadata: { ...usage, durationMs: Date.now() - startedMs, confidence: best },
      });
    } catch (error) {
      await ctx.runMutation(internal.messages.sendAgentMessage, {
        conversationId,
        messageId,
        content: "Something went wrong on our side. Let me get somebody for you.",
        state: "failed",
        error: String((error as Error).message ?? error).slice(0, 500),
      });
      await handOver(ctx, conversationId, "The assistant failed");
    }
    return null;
  },
});

/**
 * The passages closest to a question: by meaning where there are embeddings, else by words. Also what the console's
 * search of the knowledge base and the quality test call.
 */
export async function findPassages(ctx: ActionCtx, question: string): Promise<Found[]> {
  if (!hasLlm()) return await ctx.runQuery(internal.rag.answer.searchByWords, { text: question });
  const { vectors } = await embed([question]);
  const hits = await ctx.vectorSearch("knowledge", "by_embedding", {
    vector: vectors[0] ?? [],
    limit: limits.passages,
    filter: (q) => q.eq("active", true),
  });
  const rows = await ctx.runQuery(internal.rag.answer.rowsOf, { ids: hits.map(({ _id }) => _id) });
  return hits.flatMap(({ _id, _score }) => {
    const row = rows.find((each) => each._id === _id);
    return row === undefined || _score < relevanceMin ? [] : [{ row, score: _score }];
  });
}

/** Rows that have been switched off since they were found are left out. */
export const rowsOf = internalQuery({
  args: { ids: v.array(v.id("knowledge")) },
  handler: async (ctx, { ids }) => {
    const rows = await Promise.all(ids.map((id) => ctx.db.get("knowledge", id)));
    return rows.flatMap((row) => (row !== null && row.active ? [row] : []));
  },
});

export const searchByWords = internalQuery({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    const rows = await ctx.db
      .query("knowledge")
      .withSearchIndex("search_content", (q) =>
        q.search("content", text).eq("kind", "chunk").eq("active", true),
      )
      .take(limits.passages);
    return rows.map((row, position) => ({ row, score: 1 / (position + 1) }));
  },
});

async function ask(
  found: readonly Found[],
  context: {
    readonly instructions: string | null;
    readonly model: string | null;
    readonly messages: readonly { readonly role: "user" | "assistant"; readonly content: string }[];
  },
) {
  const passages = found.map(({ row, score }) => ({ title: row.title, content: row.content, score }));
  return await chat(promptOf(passages, context.messages, context.instructions), context.model);
}

/** Without a model: the best passage itself. */
function quote(found: readonly Found[]): string {
  const [best] = found;
  return best === undefined ? unknownMark : `${best.row.content}\n\n[1]`;
}

function citationOf({ row, score }: Found) {
  const { _id: knowledgeId, documentId, title, source } = row;
  return { knowledgeId, documentId, title, score, ...(source === undefined ? {} : { source }) };
}

async function drop(
  ctx: ActionCtx,
  conversationId: Id<"conversations">,
  messageId: Id<"messages">,
  content: string,
): Promise<void> {
  await ctx.runMutation(internal.messages.sendAgentMessage, {
    conversationId,
    messageId,
    content,
    state: "sent",
  });
}

async function handOver(ctx: ActionCtx, conversationId: Id<"conversations">, reason: string): Promise<void> {
  await ctx.runMutation(internal.conversations.escalateByBot, { conversationId, reason });
}
