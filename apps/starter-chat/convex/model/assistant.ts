/** The endpoint that answers, in OpenAI's format, as the deployment is configured; null: nobody is. */
export function configuredEndpoint(): { baseUrl: string; apiKey: string | null } | null {
  const { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: apiKey } = process.env;
  if (isEmpty(baseUrl) && isEmpty(apiKey)) return null;
  return {
    baseUrl: (isEmpty(baseUrl) ? "https://api.openai.com/v1" : baseUrl).replace(/\/$/, ""),
    apiKey: isEmpty(apiKey) ? null : apiKey,
  };
}

function isEmpty(text: string | undefined): text is undefined | "" {
  return text === undefined || text === "";
}

/** What is said when no endpoint is configured: it shows how streaming looks, and pretends nothing. */
export function standInAnswer(question: string): string {
  const asked = question.trim().replace(/\s+/g, " ").slice(0, 200);
  return (
    `No language model is connected, so this is a stand-in. You wrote: “${asked}”\n\n` +
    "Set OPENAI_API_KEY (and OPENAI_BASE_URL for another endpoint than OpenAI's) in the deployment, " +
    "for example with `npx convex env set OPENAI_API_KEY sk-...`, and a model answers here."
  );
}

/**
 * Pieces of a streamed chat completion ("data: {...}" lines), whatever way the network has cut them. Keep one for
 * each stream.
 */
export class StreamReader {
  #rest = "";
  usage: { prompt: number; completion: number; total: number } | null = null;
  model: string | null = null;

  /** The text that has come with these bytes. */
  read(text: string): string {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.map((line) => this.#line(line.trim())).join("");
  }

  #line(line: string): string {
    if (!line.startsWith("data:")) return "";
    const payload = line.slice("data:".length).trim();
    if (payload === "[DONE]" || payload === "") return "";
    const chunk = JSON.parse(payload) as {
      model?: string;
      choices?: { delta?: { content?: string | null } }[];
      usage?: { prompt_tokens?: number; completion_tokens?: number; total_tokens?: number } | null;
      error?: { message?: string };
    };
    if (chunk.error !== undefined) throw new Error(chunk.error.message ?? "The model reported an error.");
    if (chunk.model !== undefined) this.model = chunk.model;
    if (chunk.usage !== undefined && chunk.usage !== null) {
      const { prompt_tokens: prompt = 0, completion_tokens: completion = 0 } = chunk.usage;
      this.usage = { prompt, completion, total: chunk.usage.total_tokens ?? prompt + completion };
    }
    return chunk.choices?.[0]?.delta?.content ?? "";
  }
}
