import { v } from "convex/values";
import { internal } from "../../_generated/api.js";
import { internalAction } from "../../_generated/server.js";
import { configuredEndpoint, standInAnswer, StreamReader } from "../../model/assistant.ts";

const defaultModel = "gpt-4o-mini";
/** How often a growing answer is written down: often enough to look alive, seldom enough to cost little. */
const flushMs = 120;
const answerMsMax = 5 * 60_000;
const standInPieceMs = 25;

/** Writes an answer, piece by piece. */
export const answer = internalAction({
  args: { messageId: v.id("messages") },
  returns: v.null(),
  handler: async (ctx, { messageId }) => {
    const startedMs = Date.now();
    const context = await ctx.runQuery(internal.functions.queries.assistant.contextOfAnswer, { messageId });
    if (context === null) return null;
    const endpoint = configuredEndpoint();
    const reader = new StreamReader();
    const model = context.model ?? defaultModel;
    let content = "";
    try {
      const pieces =
        endpoint === null
          ? slowly(standInAnswer(context.messages.at(-1)?.content ?? ""))
          : streamed(endpoint, { ...context, model }, reader);
      let flushedMs = 0;
      for await (const piece of pieces) {
        content += piece;
        if (Date.now() - flushedMs < flushMs) continue;
        flushedMs = Date.now();
        const grown = { messageId, content };
        // Leaving the loop ends the stream, and with it what the endpoint charges for.
        if (!(await ctx.runMutation(internal.functions.mutations.assistant.growAnswer, grown))) break;
      }
      await ctx.runMutation(internal.functions.mutations.assistant.finishAnswer, {
        messageId,
        content,
        model: endpoint === null ? "stand-in" : (reader.model ?? model),
        processingTime: Date.now() - startedMs,
        ...(reader.usage === null ? {} : { tokens: reader.usage }),
      });
    } catch (error) {
      await ctx.runMutation(internal.functions.mutations.assistant.finishAnswer, {
        messageId,
        content,
        processingTime: Date.now() - startedMs,
        error: { code: "model_failed", message: String((error as Error).message ?? error).slice(0, 500) },
      });
    }
    return null;
  },
});

interface Request {
  readonly model: string;
  readonly systemPrompt: string | null;
  readonly settings: {
    readonly temperature?: number;
    readonly maxTokens?: number;
    readonly topP?: number;
    readonly frequencyPenalty?: number;
    readonly presencePenalty?: number;
  };
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

async function* streamed(
  { baseUrl, apiKey }: { baseUrl: string; apiKey: string | null },
  { model, systemPrompt, settings, messages }: Request,
  reader: StreamReader,
): AsyncGenerator<string> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error("The model took too long.")), answerMsMax);
  try {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({
        model,
        messages: [
          ...(systemPrompt === null ? [] : [{ role: "system", content: systemPrompt }]),
          ...messages,
        ],
        stream: true,
        stream_options: { include_usage: true },
        temperature: settings.temperature,
        max_tokens: settings.maxTokens,
        top_p: settings.topP,
        frequency_penalty: settings.frequencyPenalty,
        presence_penalty: settings.presencePenalty,
      }),
      signal: stop.signal,
    });
    if (!response.ok || response.body === null)
      throw new Error(`The model answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
    const decoder = new TextDecoder();
    const bytes = response.body.getReader();
    for (;;) {
      const { done, value } = await bytes.read();
      const piece = reader.read(done ? `${decoder.decode()}\n` : decoder.decode(value, { stream: true }));
      if (piece !== "") yield piece;
      if (done) return;
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

async function* slowly(text: string): AsyncGenerator<string> {
  for (const piece of text.match(/\S+\s*/g) ?? []) {
    await new Promise((resolve) => setTimeout(resolve, standInPieceMs));
    yield piece;
  }
}
