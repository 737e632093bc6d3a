import { Agent, createThread, mockModel } from "@convex-dev/agent";
import type { EmbeddingModel, ModelMessage } from "ai";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { action } from "./_generated/server";

/** OpenAI's embeddings: the tests say where it is. */
const embeddingModel = {
  specificationVersion: "v4",
  provider: "openai",
  modelId: "text-embedding-3-small",
  maxEmbeddingsPerCall: 100,
  supportsParallelCalls: false,
  doEmbed: async ({ values }: { values: string[] }) => {
    const response = await fetch(`${process.env["OPENAI_URL"] ?? ""}/v1/embeddings`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "text-embedding-3-small", input: values }),
    });
    const { data, usage } = (await response.json()) as {
      data: { embedding: number[] }[];
      usage: { total_tokens: number };
    };
    const embeddings = data.map(({ embedding }) => embedding);
    return { embeddings, usage: { tokens: usage.total_tokens }, warnings: [] };
  },
} as unknown as EmbeddingModel;

const textIn = ({ content }: ModelMessage) =>
  typeof content === "string"
    ? content
    : content.map((part) => (part.type === "text" ? part.text : "")).join("");
const alone = { before: 0, after: 0 };

/** Remembers nothing but what a search brings up. */
const librarian = new Agent(components.agent, {
  name: "librarian",
  languageModel: mockModel({ content: [{ type: "text", text: "Noted." }] }),
  embeddingModel,
  contextOptions: {
    recentMessages: 0,
    searchOtherThreads: true,
    searchOptions: { limit: 3, textSearch: true, vectorSearch: true, messageRange: alone },
  },
  contextHandler: async (ctx, { search, inputPrompt }) => {
    await ctx.runMutation(internal.events.record, { name: "recalled", value: search.map(textIn) });
    return [...search, ...inputPrompt];
  },
});

export const tell = action({
  args: { userId: v.string(), texts: v.array(v.string()) },
  handler: async (ctx, { userId, texts }): Promise<string> => {
    const threadId = await createThread(ctx, components.agent, { userId });
    const messages = texts.map((content) => ({ role: "user" as const, content }));
    await librarian.saveMessages(ctx, { threadId, userId, messages });
    return threadId;
  },
});

export const find = action({
  args: {
    userId: v.string(),
    /** Only in this thread. */
    threadId: v.optional(v.string()),
    text: v.string(),
    by: v.union(v.literal("text"), v.literal("vector")),
  },
  handler: async (ctx, { userId, threadId, text, by }) => {
    const found = await librarian.fetchContextMessages(ctx, {
      userId,
      threadId,
      searchText: text,
      contextOptions: {
        recentMessages: 0,
        searchOtherThreads: threadId === undefined,
        searchOptions: {
          limit: 1,
          textSearch: by === "text",
          vectorSearch: by === "vector",
          messageRange: alone,
        },
      },
    });
    return found.map((message) => message.text ?? "");
  },
});

export const ask = action({
  args: { userId: v.string(), prompt: v.string() },
  handler: async (ctx, { userId, prompt }): Promise<string> => {
    const threadId = await createThread(ctx, components.agent, { userId });
    return (await librarian.generateText(ctx, { threadId, userId }, { prompt })).text;
  },
});
