import { Service, type ServiceAnswer, type ServiceRequest } from "./service.ts";
import { embeddingOf, wordsOf } from "./words.ts";

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string | null | readonly { readonly type: string; readonly text?: string }[];
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly stream?: boolean;
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
}

/** What the model says: text, at once or as it comes, or a call of one of the tools it was offered. */
export type ChatReply =
  | { readonly text: string }
  | { readonly pieces: AsyncIterable<string> }
  | { readonly tool: string; readonly args: Readonly<Record<string, unknown>> };

export interface OpenAiOptions {
  readonly port?: number;
  /** Default: `quoteBest`. Throwing answers 500, which is how a test breaks the model. */
  readonly reply?: (request: ChatRequest) => ChatReply | Promise<ChatReply>;
  /** Between two pieces of a streamed answer. */
  readonly pieceMs?: number;
}

/** An endpoint in OpenAI's format under `{url}/v1`. */
export async function startOpenAi(options: OpenAiOptions = {}): Promise<Service> {
  const { reply = quoteBest, pieceMs = 15 } = options;
  return await Service.start(async (request) => {
    switch (request.path) {
      case "/v1/chat/completions":
        return await complete(JSON.parse(request.text) as ChatRequest, reply, pieceMs);
      case "/v1/embeddings":
        return embeddings(request);
      case "/v1/models":
        return { body: { object: "list", data: [{ id: "stand-in", object: "model" }] } };
      default:
        return { status: 404, body: { error: { message: `There is no ${request.path}` } } };
    }
  }, options.port);
}

export function textOf({ content }: ChatMessage): string {
  if (content === null) return "";
  return typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("");
}

/**
 * Answers the last question from passages of the form "[1] title, text" in the system message, with the sentence that
 * has most words in common with it. Says [[HANDOVER]] when none has two, and is chatty when there are no passages.
 */
export function quoteBest({ messages }: ChatRequest): ChatReply {
  const question = textOf(messages.findLast(({ role }) => role === "user") ?? { role: "user", content: "" });
  const system = messages
    .filter(({ role }) => role === "system")
    .map(textOf)
    .join("\n");
  if (!/^Passages:/m.test(system))
    return { text: `You said: “${question}”. I am a stand-in without a mind of my own.` };
  const asked = new Set(wordsOf(question));
  let best = { score: 0, sentence: "", passage: 0 };
  for (const match of system.matchAll(/^\[(\d+)\] ([\s\S]*?)(?=^\[\d+\] |$(?![\s\S]))/gm)) {
    const title = new Set(wordsOf((match[2] ?? "").split("\n")[0] ?? ""));
    for (const sentence of (match[2] ?? "").split(/(?<=[.!?])\s+|\n+/)) {
      const own = new Set(wordsOf(sentence));
      const shared = [...asked].filter((word) => own.has(word)).length;
      const fromTitle = [...asked].filter((word) => title.has(word) && !own.has(word)).length;
      const score = shared + fromTitle / 2;
      if (shared > 0 && score > best.score)
        best = { score, sentence: sentence.trim(), passage: Number(match[1]) };
    }
  }
  return { text: best.score < 1.5 ? "[[HANDOVER]]" : `${best.sentence} [${best.passage}]` };
}

async function complete(
  request: ChatRequest,
  reply: (request: ChatRequest) => ChatReply | Promise<ChatReply>,
  pieceMs: number,
): Promise<ServiceAnswer> {
  const said = await reply(request);
  const promptTokens = request.messages.reduce((sum, message) => sum + tokensOf(textOf(message)), 0);
  const usageOf = (completionTokens: number) => ({
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  });
  const head = { id: `chatcmpl-${nextId++}`, created: Math.floor(Date.now() / 1000), model: request.model };
  const toolCall = (call: Extract<ChatReply, { tool: string }>) => ({
    id: `call_${head.id}`,
    type: "function",
    function: { name: call.tool, arguments: JSON.stringify(call.args) },
  });
  const finish = "tool" in said ? "tool_calls" : "stop";
  if (request.stream === true) {
    const chunk = (delta: object, reason: string | null, more: object = {}) =>
      `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: reason }], ...more })}\n\n`;
    async function* chunks() {
      yield chunk({ role: "assistant", content: "" }, null);
      let text = "";
      if ("tool" in said) yield chunk({ tool_calls: [{ index: 0, ...toolCall(said) }] }, null);
      else
        for await (const piece of "pieces" in said ? said.pieces : slowly(said.text, pieceMs)) {
          text += piece;
          yield chunk({ content: piece }, null);
        }
      yield chunk({}, finish, { usage: usageOf("tool" in said ? toolCallTokens : tokensOf(text)) });
      yield "data: [DONE]\n\n";
    }
    return { body: chunks() };
  }
  const text = await wholeOf(said);
  const message = {
    role: "assistant",
    content: text,
    ...("tool" in said ? { tool_calls: [toolCall(said)] } : {}),
  };
  return {
    body: {
      ...head,
      object: "chat.completion",
      choices: [{ index: 0, message, finish_reason: finish }],
      usage: usageOf(text === null ? toolCallTokens : tokensOf(text)),
    },
  };
}

/** Null: nothing is said. */
async function wholeOf(said: ChatReply): Promise<string | null> {
  if ("tool" in said) return null;
  if ("text" in said) return said.text;
  let text = "";
  for await (const piece of said.pieces) text += piece;
  return text;
}

async function* slowly(text: string, pieceMs: number): AsyncGenerator<string> {
  for (const piece of text.match(/\S+\s*/g) ?? []) {
    await new Promise((resolve) => setTimeout(resolve, pieceMs));
    yield piece;
  }
}

const toolCallTokens = 10;
let nextId = 1;

function embeddings({ text }: ServiceRequest): ServiceAnswer {
  const {
    input,
    model,
    dimensions = 1536,
  } = JSON.parse(text) as {
    input: string | readonly string[];
    model: string;
    dimensions?: number;
  };
  const texts = typeof input === "string" ? [input] : input;
  const tokens = texts.reduce((sum, each) => sum + tokensOf(each), 0);
  return {
    body: {
      object: "list",
      model,
      data: texts.map((each, index) => ({
        object: "embedding",
        index,
        embedding: embeddingOf(each, dimensions),
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
  };
}

/** About as many as a real tokenizer finds. */
function tokensOf(text: string): number {
  return Math.ceil(text.length / 4);
}
