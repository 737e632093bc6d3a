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
  args: { messageId: v.id("messages"), run: v.number() },
  returns: v.null(),
  handler: async (ctx, { messageId, run }) => {
    const startedMs = Date.now();
    const context = await ctx.runQuery(internal.functions.queries.assistant.contextOfAnswer, {
      messageId,
      run,
    });
    if (context === null) return null;
    const endpoint = configuredEndpoint();
    const reader = new StreamReader();
    const model = context.model ?? defaultModel;
    const stop = new AbortController();
    let content = "";
    try {
      const pieces =
        endpoint === null
          ? slowly(standInAnswer(context.messages.at(-1)?.content ?? ""))
          : streamed(endpoint, { ...context, model }, reader, stop);
      for await (const piece of gathered(pieces, flushMs)) {
        content += piece;
        const grown = { messageId, run, content };
        if (!(await ctx.runMutation(internal.functions.mutations.assistant.growAnswer, grown))) break;
      }
      await ctx.runMutation(internal.functions.mutations.assistant.finishAnswer, {
        messageId,
        run,
        content,
        model: endpoint === null ? "stand-in" : (reader.model ?? model),
        processingTime: Date.now() - startedMs,
        ...(reader.usage === null ? {} : { tokens: reader.usage }),
      });
    } catch (error) {
      await ctx.runMutation(internal.functions.mutations.assistant.finishAnswer, {
        messageId,
        run,
        content,
        processingTime: Date.now() - startedMs,
        error: { code: "model_failed", message: String((error as Error).message ?? error).slice(0, 500) },
      });
    } finally {
      // Ends the stream, and with it what the endpoint charges for.
      stop.abort();
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
  stop: AbortController,
): AsyncGenerator<string> {
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
  }
}

/** Joins pieces so that there are few of them; what has come waits no longer than `pauseMs`, be the next one far away. */
async function* gathered(pieces: AsyncGenerator<string>, pauseMs: number): AsyncGenerator<string> {
  let waiting = "";
  let yieldedMs = 0;
  for (let next = pieces.next(); ;) {
    const restMs = yieldedMs + pauseMs - Date.now();
    if (waiting !== "" && restMs <= 0) {
      // Whoever leaves the loop here does not hear how the next one fails.
      next.catch(() => {});
      yield waiting;
      waiting = "";
      yieldedMs = Date.now();
      continue;
    }
    let result: IteratorResult<string> | undefined;
    try {
      result = await (waiting === "" ? next : Promise.race([next, sleep(restMs)]));
    } catch (error) {
      if (waiting !== "") yield waiting;
      throw error;
    }
    if (result?.done === true) break;
    if (result === undefined) continue;
    waiting += result.value;
    next = pieces.next();
  }
  if (waiting !== "") yield waiting;
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined));
}

async function* slowly(text: string): AsyncGenerator<string> {
  for (const piece of text.match(/\S+\s*/g) ?? []) {
    await sleep(standInPieceMs);
    yield piece;
  }
}
