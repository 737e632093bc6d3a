import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { readEnv, requireEnv } from "./env.ts";

const defaultBaseUrl = "https://openrouter.ai/api/v1";
const defaultModel = "openai/gpt-4";

/** How much a model may say at once. */
export const outputTokensMax = 1_000;

/** The language model: OpenRouter's, or any endpoint that speaks OpenAI's language. */
export function languageModel() {
  const provider = createOpenAICompatible({
    name: "openrouter",
    baseURL: readEnv("OPENROUTER_BASE_URL") ?? defaultBaseUrl,
    apiKey: readEnv("OPENROUTER_API_KEY") ?? "",
    includeUsage: true,
  });
  return provider.chatModel(readEnv("OPENROUTER_MODEL") ?? defaultModel);
}

/** @throws NOT_CONFIGURED, before anything is held back or saved for a call that cannot succeed */
export function requireModel(): void {
  requireEnv("OPENROUTER_API_KEY");
}
