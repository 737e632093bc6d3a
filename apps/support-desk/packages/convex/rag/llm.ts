import { env } from "../env.ts";

/** Calls of an OpenAI-compatible endpoint. Used by actions only. */

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatAnswer {
  readonly text: string;
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** The endpoint takes at most so many texts at once. */
export const embeddingBatch = 64;
const attemptsMax = 3;
const timeoutMs = 60_000;

/** False: nobody can be asked. The desk works without: it searches by words and hands over to people. */
export function hasLlm(): boolean {
  const { apiKey, baseUrl } = env.llm();
  return apiKey !== null || !baseUrl.startsWith("https://openrouter.ai");
}

/** One vector of 1536 numbers for each text. */
export async function embed(texts: readonly string[]): Promise<{ vectors: number[][]; model: string }> {
  const { embeddingModel } = env.llm();
  const vectors: number[][] = [];
  for (let at = 0; at < texts.length; at += embeddingBatch) {
    const answer = (await post("/embeddings", {
      model: embeddingModel,
      input: texts.slice(at, at + embeddingBatch),
      dimensions: 1536,
    })) as { data?: { index: number; embedding: number[] }[] };
    const rows = [...(answer.data ?? [])].sort((a, b) => a.index - b.index);
    vectors.push(...rows.map(({ embedding }) => embedding));
  }
  if (vectors.length !== texts.length || vectors.some(({ length }) => length !== 1536))
    throw new Error(`${embeddingModel} did not answer with vectors of 1536 numbers; set EMBEDDING_MODEL.`);
  return { vectors, model: embeddingModel };
}

export async function chat(messages: readonly ChatMessage[], model: string | null): Promise<ChatAnswer> {
  const { chatModel } = env.llm();
  const answer = (await post("/chat/completions", {
    model: model ?? chatModel,
    messages,
    temperature: 0.2,
    max_tokens: 700,
  })) as {
    model?: string;
    choices?: { message?: { content?: string | null } }[];
    usage?: { prompt_tokens?: number; completion_tokens?: number };
  };
  const text = answer.choices?.[0]?.message?.content?.trim() ?? "";
  if (text === "") throw new Error("The model gave an empty answer.");
  return {
    text,
    model: answer.model ?? model ?? chatModel,
    promptTokens: answer.usage?.prompt_tokens ?? 0,
    completionTokens: answer.usage?.completion_tokens ?? 0,
  };
}

/** Tries again after a busy or broken endpoint; a refusal is final. */
async function post(path: string, body: unknown): Promise<unknown> {
  const { baseUrl, apiKey } = env.llm();
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${baseUrl}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok) return (await response.json()) as unknown;
    const text = (await response.text()).slice(0, 300);
    const isPassing = response.status === 429 || response.status >= 500;
    if (!isPassing || attempt === attemptsMax)
      throw new Error(`${baseUrl}${path} answered ${response.status}: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
  }
}
