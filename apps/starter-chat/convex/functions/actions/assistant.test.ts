import { afterEach, describe, expect, it, vi } from "vitest";
import { internal } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import {
  listMessages,
  makeChat,
  mutations,
  type Person,
  refusal,
  refusals,
  say,
  somebody,
  startBackend,
  until,
} from "../../tests/backend.support.ts";

// The model is a stubbed `fetch` here; `tests/assistant.test.ts` speaks to one over HTTP.

const backend = startBackend();
const { assistant } = mutations;
afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});

async function asked(settings: object = {}) {
  const ada = await somebody(backend);
  const chatId = await ada.mutation(mutations.chats.createChat, { title: "Sums", ...settings });
  await say(ada, chatId, "What is 2 + 2?");
  return { ada, chatId };
}
const answerOf = async (person: Person, chatId: Id<"chats">) =>
  (await listMessages(person, chatId)).page.findLast(({ role }) => role === "assistant");
const settled = (person: Person, chatId: Id<"chats">) =>
  until(async () => ((await answerOf(person, chatId))?.status ?? "sending") !== "sending");

/** A model that answers with these pieces, and keeps what it was asked. */
function stubModel(pieces: readonly string[], status = 200) {
  const requests: { url: string; body: Record<string, unknown>; authorization: string | null }[] = [];
  vi.stubEnv("OPENAI_BASE_URL", "https://model.example/v1/");
  vi.stubEnv("OPENAI_API_KEY", "sk-test");
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    requests.push({
      url,
      body: JSON.parse(init.body as string) as Record<string, unknown>,
      authorization: new Headers(init.headers).get("authorization"),
    });
    const lines = pieces.map(
      (content) => `data: ${JSON.stringify({ model: "gpt-test", choices: [{ delta: { content } }] })}\n\n`,
    );
    const usage = { prompt_tokens: 7, completion_tokens: 3 };
    const text = `${lines.join("")}data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;
    return Promise.resolve(new Response(status === 200 ? text : "overloaded", { status }));
  });
  return requests;
}

describe("the assistant", () => {
  it("answers through the endpoint, with the chat's prompt and settings; says what it took", async () => {
    const requests = stubModel(["It is ", "four."]);
    const { ada, chatId } = await asked({
      model: "gpt-4o",
      systemPrompt: "You count.",
      settings: { temperature: 0.3, maxTokens: 50, topP: 0.9, frequencyPenalty: 1, presencePenalty: -1 },
    });
    await ada.mutation(assistant.askAssistant, { chatId });
    await settled(ada, chatId);
    expect(await answerOf(ada, chatId)).toMatchObject({
      content: "It is four.",
      status: "delivered",
      answer: { model: "gpt-test", tokens: 10, processingTime: expect.any(Number) },
    });
    expect(requests).toMatchObject([
      {
        url: "https://model.example/v1/chat/completions",
        authorization: "Bearer sk-test",
        body: {
          model: "gpt-4o",
          temperature: 0.3,
          max_tokens: 50,
          top_p: 0.9,
          frequency_penalty: 1,
          presence_penalty: -1,
          messages: [
            { role: "system", content: "You count." },
            { role: "user", content: "What is 2 + 2?" },
          ],
        },
      },
    ]);
  });

  it("tells people apart where there are several", async () => {
    const requests = stubModel(["Hello both."]);
    const { ada, chatId } = await asked();
    const bob = await somebody(backend, "Bob");
    await ada.mutation(mutations.shares.shareChat, { chatId, email: bob.email, canWrite: true });
    await say(bob, chatId, "I am here too");
    await bob.mutation(assistant.askAssistant, { chatId });
    await settled(ada, chatId);
    expect(requests[0]?.body["messages"]).toMatchObject([
      { content: expect.stringMatching(/^Ada \d+: What/) },
      { content: expect.stringMatching(/^Bob \d+: I am/) },
    ]);
    expect(requests[0]?.body).toMatchObject({ model: "gpt-4o-mini" });
  });

  it("says in the message what went wrong, and can be asked again", async () => {
    stubModel([], 503);
    const { ada, chatId } = await asked();
    const messageId = await ada.mutation(assistant.askAssistant, { chatId });
    await settled(ada, chatId);
    expect(await answerOf(ada, chatId)).toMatchObject({
      status: "error",
      answer: { error: expect.stringContaining("503: overloaded") },
    });
    stubModel(["Better now."]);
    await ada.mutation(assistant.regenerateAnswer, { messageId });
    await settled(ada, chatId);
    expect(await answerOf(ada, chatId)).toMatchObject({ _id: messageId, content: "Better now." });
    const mine = (await listMessages(ada, chatId)).page[0]?._id ?? ("" as never);
    expect(await refusal(ada.mutation(assistant.regenerateAnswer, { messageId: mine }))).toMatchObject({
      code: "invalid",
    });
  });

  it("is a stand-in that says so where no model is connected", async () => {
    const { ada, chatId } = await asked();
    await ada.mutation(assistant.askAssistant, { chatId });
    await until(async () => ((await answerOf(ada, chatId))?.content ?? "") !== "");
    // One answer at a time.
    const messageId = (await answerOf(ada, chatId))?._id ?? ("" as never);
    for (const data of await refusals([
      ada.mutation(assistant.askAssistant, { chatId }),
      ada.mutation(assistant.regenerateAnswer, { messageId }),
    ]))
      expect(data).toMatchObject({ code: "conflict" });
    await settled(ada, chatId);
    expect(await answerOf(ada, chatId)).toMatchObject({
      content: expect.stringContaining("“What is 2 + 2?”"),
      answer: { model: "stand-in" },
    });
  });

  it("stops where it is told to, and does not go on", async () => {
    const { ada, chatId } = await asked();
    const messageId = await ada.mutation(assistant.askAssistant, { chatId });
    await ada.mutation(assistant.cancelAnswer, { messageId });
    const grow = internal.functions.mutations.assistant.growAnswer;
    expect(await backend.mutation(grow, { messageId, run: 0, content: "more" })).toBe(false);
    const finish = internal.functions.mutations.assistant.finishAnswer;
    await backend.mutation(finish, { messageId, run: 0, content: "more", processingTime: 1 });
    expect(await answerOf(ada, chatId)).toMatchObject({ status: "sent", content: "" });
    const context = internal.functions.queries.assistant.contextOfAnswer;
    expect(await backend.query(context, { messageId, run: 0 })).toBeNull();
    await backend.finishInProgressScheduledFunctions();
  });

  it("that writes anew is not disturbed by what still writes the last answer", async () => {
    const { ada, chatId } = await asked();
    // Nothing runs by itself here: the test is both actions.
    const messageId = await backend.run((ctx) =>
      ctx.db.insert("messages", { chatId, role: "assistant", content: "old", status: "sent", answerRun: 1 }),
    );
    const { growAnswer, finishAnswer, giveUpStalled } = internal.functions.mutations.assistant;
    const context = internal.functions.queries.assistant.contextOfAnswer;
    await backend.run((ctx) =>
      ctx.db.patch("messages", messageId, { status: "sending", content: "", answerRun: 2 }),
    );
    expect(await backend.query(context, { messageId, run: 1 })).toBeNull();
    expect(await backend.mutation(growAnswer, { messageId, run: 1, content: "old and on" })).toBe(false);
    await backend.mutation(giveUpStalled, { messageId, run: 1, length: 3 });
    await backend.mutation(finishAnswer, { messageId, run: 1, content: "old, all of it", processingTime: 1 });
    expect(await answerOf(ada, chatId)).toMatchObject({ status: "sending", content: "" });
    expect(await backend.query(context, { messageId, run: 2 })).not.toBeNull();
    expect(await backend.mutation(growAnswer, { messageId, run: 2, content: "new" })).toBe(true);
    await backend.mutation(finishAnswer, { messageId, run: 2, content: "new.", processingTime: 1 });
    expect(await answerOf(ada, chatId)).toMatchObject({ status: "delivered", content: "new." });
    // Each time it is asked anew is a run of its own.
    await ada.mutation(assistant.regenerateAnswer, { messageId });
    expect(await backend.run((ctx) => ctx.db.get("messages", messageId))).toMatchObject({ answerRun: 3 });
    await settled(ada, chatId);
  });

  it("is given up when it stands still, not while it grows", async () => {
    const { ada, chatId } = await asked();
    const messageId = await backend.run((ctx) =>
      ctx.db.insert("messages", { chatId, role: "assistant", content: "half", status: "sending" }),
    );
    const look = (length: number) =>
      backend.mutation(internal.functions.mutations.assistant.giveUpStalled, { messageId, run: 0, length });
    await look(0);
    expect((await answerOf(ada, chatId))?.status).toBe("sending");
    await look(4);
    expect(await answerOf(ada, chatId)).toMatchObject({
      status: "error",
      content: "half",
      answer: { error: expect.stringContaining("broke off") },
    });
    await look(4);
  });

  it("answers nobody who may not write", async () => {
    const { ada, chatId } = await asked();
    const [reader, eve] = [await somebody(backend, "Rita"), await somebody(backend, "Eve")];
    await ada.mutation(mutations.shares.shareChat, { chatId, email: reader.email, canWrite: false });
    const messageId = await backend.run((ctx) =>
      ctx.db.insert("messages", { chatId, role: "assistant", content: "Yes", status: "delivered" }),
    );
    for (const [who, code] of [
      [reader, "forbidden"],
      [eve, "not_found"],
    ] as const)
      for (const data of await refusals([
        who.mutation(assistant.askAssistant, { chatId }),
        who.mutation(assistant.regenerateAnswer, { messageId }),
        who.mutation(assistant.cancelAnswer, { messageId }),
      ]))
        expect(data).toMatchObject({ code });
    const own = await makeChat(eve);
    expect(own).not.toBe(chatId);
  });
});
