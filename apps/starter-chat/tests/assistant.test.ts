import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HeldAnswer } from "../../../packages/stand-ins/src/heldAnswer.ts";
import { type ChatReply, type ChatRequest, startOpenAi } from "../../../packages/stand-ins/src/openAi.ts";
import { api } from "../convex/_generated/api.js";
import type { Id } from "../convex/_generated/dataModel.js";
import { StreamReader } from "../convex/model/assistant.ts";
import type { Message } from "../convex/model/views.ts";
import { LiveServer } from "./support/liveServer.ts";
import type { ConvexHttpClient } from "convex/browser";

const { queries, mutations } = api.functions;

let server: LiveServer;
let openAi: Awaited<ReturnType<typeof startOpenAi>>;
const requests: ChatRequest[] = [];
let reply: (request: ChatRequest) => ChatReply;
const usual = (): ChatReply => ({ text: "It is four. I counted twice." });

beforeAll(async () => {
  [server, openAi] = await Promise.all([
    LiveServer.startWithApp(),
    startOpenAi({
      pieceMs: 20,
      reply: (request) => {
        requests.push(request);
        return reply(request);
      },
    }),
  ]);
});
afterAll(async () => {
  await server?.close();
  await openAi?.close();
});
afterEach(() => {
  reply = usual;
  requests.length = 0;
});

async function chatOf(name: string, settings: object = {}) {
  const client = await server.client(name);
  const chatId = await client.mutation(mutations.chats.createChat, { title: "Sums", ...settings });
  return { client, chatId };
}

async function lastAnswer(client: ConvexHttpClient, chatId: Id<"chats">): Promise<Message | undefined> {
  const { page } = await client.query(queries.messages.getChatMessages, {
    chatId,
    paginationOpts: { cursor: null, numItems: 50 },
  });
  return page.findLast(({ role }) => role === "assistant");
}

async function until(look: () => Promise<boolean>): Promise<void> {
  await expect.poll(look, { interval: 50 }).toBe(true);
}
const settled = (client: ConvexHttpClient, chatId: Id<"chats">) =>
  until(async () => (await lastAnswer(client, chatId))?.status !== "sending");

describe("without a model", () => {
  it("a stand-in answers, and says what it is", async () => {
    const { client, chatId } = await chatOf("Ada Alone");
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "What is 2 + 2?" });
    await client.mutation(mutations.assistant.askAssistant, { chatId });
    await settled(client, chatId);
    expect(await lastAnswer(client, chatId)).toMatchObject({
      status: "delivered",
      content: expect.stringContaining("“What is 2 + 2?”"),
      answer: { model: "stand-in" },
    });
  });
});

describe("with a model", () => {
  beforeAll(async () => {
    reply = usual;
    await server.server.updateEnvironment({ OPENAI_BASE_URL: `${openAi.url}/v1`, OPENAI_API_KEY: "sk-test" });
  });

  it("an answer grows while it is written, with the chat's prompt and settings behind it", async () => {
    const { client, chatId } = await chatOf("Ben Streams", {
      model: "gpt-4o",
      systemPrompt: "You count.",
      settings: { temperature: 0.3, maxTokens: 50 },
    });
    const held = new HeldAnswer();
    reply = () => ({ pieces: held.pieces() });
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "Count, please" });
    await client.mutation(mutations.assistant.askAssistant, { chatId });
    const reads = (content: string) =>
      until(async () => (await lastAnswer(client, chatId))?.content === content);
    for (const [word, soFar] of [
      ["one ", "one "],
      ["two ", "one two "],
      ["three", "one two three"],
    ] as const) {
      held.say(word);
      await reads(soFar);
    }
    expect(await lastAnswer(client, chatId)).toMatchObject({ status: "sending" });
    held.end();
    await settled(client, chatId);
    const answer = await lastAnswer(client, chatId);
    expect(answer).toMatchObject({ status: "delivered", content: "one two three" });
    expect(answer?.answer).toMatchObject({
      model: "gpt-4o",
      tokens: expect.any(Number),
      processingTime: expect.any(Number),
    });
    expect(requests[0]).toMatchObject({
      model: "gpt-4o",
      stream: true,
      temperature: 0.3,
      max_tokens: 50,
      messages: [
        { role: "system", content: "You count." },
        { role: "user", content: "Count, please" },
      ],
    });
  });

  it("it can be stopped, and written again", async () => {
    const { client, chatId } = await chatOf("Cleo Stops");
    const held = new HeldAnswer();
    held.say("on and on ");
    reply = () => ({ pieces: held.pieces() });
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "Go on" });
    const messageId = await client.mutation(mutations.assistant.askAssistant, { chatId });
    await expect(client.mutation(mutations.assistant.askAssistant, { chatId })).rejects.toMatchObject({
      data: { code: "conflict" },
    });
    await until(async () => ((await lastAnswer(client, chatId))?.content.length ?? 0) > 0);
    await client.mutation(mutations.assistant.cancelAnswer, { messageId });
    const stopped = await lastAnswer(client, chatId);
    expect(stopped?.status).toBe("sent");
    reply = usual;
    await client.mutation(mutations.assistant.regenerateAnswer, { messageId });
    // The model had not noticed yet: what it still says is not wanted any more.
    held.say("and on");
    held.end();
    await settled(client, chatId);
    expect(await lastAnswer(client, chatId)).toMatchObject({
      _id: messageId,
      content: "It is four. I counted twice.",
    });
  });

  it("an endpoint that fails is told of in the message", async () => {
    const { client, chatId } = await chatOf("Dora Fails");
    reply = () => {
      throw new Error("overloaded");
    };
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "Hello" });
    await client.mutation(mutations.assistant.askAssistant, { chatId });
    await settled(client, chatId);
    expect(await lastAnswer(client, chatId)).toMatchObject({
      status: "error",
      answer: { error: expect.stringContaining("500") },
    });
  });

  it("strangers and readers do not ask, stop or repeat", async () => {
    const { client, chatId } = await chatOf("Eve Owns");
    await client.mutation(mutations.messages.sendMessage, { chatId, content: "Mine" });
    const messageId = await client.mutation(mutations.assistant.askAssistant, { chatId });
    await settled(client, chatId);
    const stranger = await server.client("Fay Strange");
    const calls = [
      stranger.mutation(mutations.assistant.askAssistant, { chatId }),
      stranger.mutation(mutations.assistant.cancelAnswer, { messageId }),
      stranger.mutation(mutations.assistant.regenerateAnswer, { messageId }),
    ];
    for (const result of await Promise.allSettled(calls))
      expect(result).toMatchObject({ status: "rejected", reason: { data: { code: "not_found" } } });
  });
});

describe("a stream of pieces", () => {
  it("is put together however it was cut", () => {
    const text =
      'data: {"model":"m","choices":[{"delta":{"content":"Hel"}}]}\n\ndata: {"choices":[{"delta":{"content":"lo"}}]}\n\n' +
      ': a comment\ndata: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n';
    for (const size of [1, 7, 1000]) {
      const reader = new StreamReader();
      let got = "";
      for (let at = 0; at < text.length; at += size) got += reader.read(text.slice(at, at + size));
      expect([got, reader.model, reader.usage]).toEqual([
        "Hello",
        "m",
        { prompt: 3, completion: 2, total: 5 },
      ]);
    }
    expect(() => new StreamReader().read('data: {"error":{"message":"no credit"}}\n')).toThrow("no credit");
  });
});

describe("attachments", () => {
  async function upload(client: ConvexHttpClient, chatId: Id<"chats">, body: string, type: string) {
    const url = await client.mutation(mutations.attachments.generateUploadUrl, { chatId });
    const sent = await fetch(url, { method: "POST", headers: { "content-type": type }, body });
    return ((await sent.json()) as { storageId: Id<"_storage"> }).storageId;
  }

  it("go up, into a message, and down again; their downloads are counted; they go with the chat", async () => {
    const { client, chatId } = await chatOf("Gil Files");
    const fileId = await upload(client, chatId, "a,b\n1,2\n", "text/csv");
    const added = await client.mutation(mutations.attachments.uploadAttachment, {
      chatId,
      fileId,
      fileName: "C:\\tables\\sums.csv",
    });
    expect(added).toMatchObject({ ok: true, fileType: "text/csv", fileSize: 8 });
    const part = { type: "file" as const, fileId, fileName: "sums.csv", fileType: "text/csv", fileSize: 8 };
    await client.mutation(mutations.messages.sendMessage, { chatId, parts: [part] });
    const found = await client.query(queries.attachments.getAttachmentUrl, { chatId, fileId });
    expect(await (await fetch(found?.url ?? "")).text()).toBe("a,b\n1,2\n");
    const attachmentId = found?.attachmentId ?? ("" as never);
    await client.mutation(mutations.attachments.recordDownload, { attachmentId });
    const list = async () => {
      const paginationOpts = { cursor: null, numItems: 10 };
      return (await client.query(queries.attachments.getChatAttachments, { chatId, paginationOpts })).page;
    };
    // A job looks into the file first.
    await expect
      .poll(list)
      .toMatchObject([
        { fileName: "sums.csv", downloadCount: 1, status: "ready", messageId: expect.any(String) },
      ]);

    const stranger = await server.client("Hal Strange");
    const calls = [
      stranger.mutation(mutations.attachments.generateUploadUrl, { chatId }),
      stranger.query(queries.attachments.getAttachmentUrl, { chatId, fileId }),
      stranger.mutation(mutations.attachments.deleteAttachment, { attachmentId }),
      stranger.mutation(mutations.attachments.recordDownload, { attachmentId }),
    ];
    for (const result of await Promise.allSettled(calls))
      expect(result).toMatchObject({ status: "rejected", reason: { data: { code: "not_found" } } });
    // A file of somebody else's chat does not become one's own by naming it.
    const own = await stranger.mutation(mutations.chats.createChat, {});
    await expect(
      stranger.mutation(mutations.messages.sendMessage, { chatId: own, parts: [part] }),
    ).rejects.toMatchObject({ data: { code: "invalid" } });

    await client.mutation(mutations.chats.deleteChat, { chatId });
    await expect.poll(async () => (await fetch(found?.url ?? "")).status).toBe(404);
  });

  it("that break a rule are refused and deleted", async () => {
    const { client, chatId } = await chatOf("Ida Breaks");
    const page = await upload(client, chatId, "<script>alert(1)</script>", "text/html");
    expect(
      await client.mutation(mutations.attachments.uploadAttachment, {
        chatId,
        fileId: page,
        fileName: "x.html",
      }),
    ).toMatchObject({ ok: false, message: expect.stringContaining("text/html") });
    await expect(
      client.mutation(mutations.attachments.uploadAttachment, { chatId, fileId: page, fileName: "x.html" }),
    ).rejects.toMatchObject({ data: { code: "not_found" } });
    const text = await upload(client, chatId, "x", "text/plain");
    expect(
      await client.mutation(mutations.attachments.uploadAttachment, {
        chatId,
        fileId: text,
        fileName: "n".repeat(256),
      }),
    ).toMatchObject({ ok: false });
  });
});
