import {
  Agent,
  createThread,
  listMessages,
  listStreams,
  mockModel,
  vStreamArgs,
  syncStreams,
} from "@convex-dev/agent";
import { RAG } from "@convex-dev/rag";
import { tool, type EmbeddingModel } from "ai";
import { v } from "convex/values";
import { z } from "zod";
import { components } from "./_generated/api";
import { action, query } from "./_generated/server";

const dimensions = 128;

/** Counts letters: texts with the same letters are near each other. */
function embed(text: string): number[] {
  const vector = Array.from({ length: dimensions }, () => 0);
  for (const letter of text.toLowerCase()) {
    const at = letter.charCodeAt(0) % dimensions;
    vector[at] = (vector[at] ?? 0) + 1;
  }
  return vector;
}

const embeddingModel = {
  specificationVersion: "v4",
  provider: "letters",
  modelId: "letters",
  maxEmbeddingsPerCall: 100,
  supportsParallelCalls: false,
  doEmbed: async ({ values }: { values: string[] }) => ({
    embeddings: values.map(embed),
    usage: { tokens: values.length },
    warnings: [],
  }),
} as unknown as EmbeddingModel;

const clerk = new Agent(components.agent, {
  name: "clerk",
  languageModel: mockModel({
    contentSteps: [
      [{ type: "tool-call", toolCallId: "1", toolName: "price", input: JSON.stringify({ item: "tea" }) }],
      [{ type: "text", text: "Tea it is." }],
    ],
  }),
  embeddingModel,
  tools: {
    price: tool({
      description: "What an item costs",
      inputSchema: z.object({ item: z.string() }),
      execute: async ({ item }) => `${item} costs ${item.length}`,
    }),
  },
});

export const ask = action({
  args: { prompt: v.string() },
  handler: async (ctx, { prompt }): Promise<{ threadId: string; text: string }> => {
    const threadId = await createThread(ctx, components.agent, { userId: "me", title: "Shopping" });
    const { text } = await clerk.generateText(
      ctx,
      { threadId },
      { prompt, stopWhen: ({ steps }) => steps.length >= 3 },
    );
    return { threadId, text };
  },
});

const poet = new Agent(components.agent, {
  name: "poet",
  languageModel: mockModel({
    content: [{ type: "text", text: "Roses are red" }],
    chunkDelayInMs: 1,
    initialDelayInMs: 1,
  }),
});
export const recite = action({
  args: { threadId: v.string() },
  handler: async (ctx, { threadId }): Promise<void> => {
    const result = await poet.streamText(
      ctx,
      { threadId },
      { prompt: "A poem" },
      { saveStreamDeltas: { throttleMs: 1, returnImmediately: false } },
    );
    await result.consumeStream();
  },
});

export const thread = query({
  args: { threadId: v.string() },
  handler: async (ctx, { threadId }) => {
    const { page } = await listMessages(ctx, components.agent, {
      threadId,
      paginationOpts: { numItems: 50, cursor: null },
    });
    const streams = await listStreams(ctx, components.agent, { threadId, includeStatuses: ["finished"] });
    return { messages: page.map(({ message, text }) => ({ role: message?.role, text })), streams };
  },
});
export const deltas = query({
  args: { threadId: v.string(), streamArgs: vStreamArgs },
  handler: (ctx, args) => syncStreams(ctx, components.agent, args),
});

const library = new RAG(components.rag, {
  embeddingDimension: dimensions,
  textEmbeddingModel: embeddingModel,
});
export const remember = action({
  args: { key: v.string(), text: v.string() },
  handler: async (ctx, { key, text }): Promise<string> => {
    const { status } = await library.add(ctx, { namespace: "all", key, text });
    return status;
  },
});
export const find = action({
  args: { query: v.string() },
  handler: async (ctx, args): Promise<string[]> => {
    const { entries } = await library.search(ctx, { namespace: "all", query: args.query, limit: 1 });
    return entries.map(({ text }) => text);
  },
});
