import { appError } from "./model/errors.ts";

/**
 * What the deployment is configured with: `npx convex env set NAME value`. Only the secret is needed to run; what is
 * absent of the others is off, and whoever uses it is told which variable to set.
 */
export const env = {
  /** Key of the token hashes. */
  jwtSecret: () => required("JWT_SECRET", "sessions"),
  /** Any OpenAI-compatible endpoint; OpenRouter unless told otherwise. */
  llm: () => ({
    baseUrl: (process.env.OPENAI_BASE_URL ?? "https://openrouter.ai/api/v1").replace(/\/$/, ""),
    apiKey: process.env.OPENROUTER_API_KEY ?? process.env.OPENAI_API_KEY ?? null,
    chatModel: process.env.CHAT_MODEL ?? "openai/gpt-4o-mini",
    embeddingModel: process.env.EMBEDDING_MODEL ?? "openai/text-embedding-3-small",
  }),
  twilio: () => {
    const accountSid = required("TWILIO_ACCOUNT_SID", "SMS");
    const authToken = required("TWILIO_AUTH_TOKEN", "SMS");
    return {
      accountSid,
      authToken,
      authorization: `Basic ${btoa(`${accountSid}:${authToken}`)}`,
      from: required("TWILIO_FROM", "SMS"),
      baseUrl: process.env.TWILIO_BASE_URL ?? "https://api.twilio.com",
    };
  },
  /** Resend's API; null sends no mail and prints codes in the function log instead. */
  mail: () => {
    const apiKey = process.env.RESEND_API_KEY;
    if (apiKey === undefined || apiKey === "") return null;
    return {
      apiKey,
      baseUrl: process.env.RESEND_BASE_URL ?? "https://api.resend.com",
      from: process.env.MAIL_FROM ?? "Support desk <support@example.com>",
    };
  },
  /** How many people may share one IP address (an office, a test): limits by address are so many times as wide. */
  ipShare: () => {
    const share = Number(process.env.RATE_LIMIT_IP_SHARE ?? "1");
    return share >= 1 ? share : 1;
  },
  /** E-mail addresses that become admins when they are verified, separated by commas. */
  adminEmails: () =>
    (process.env.ADMIN_EMAILS ?? "")
      .split(",")
      .map((email) => email.trim().toLowerCase())
      .filter((email) => email !== ""),
};

function required(name: string, feature: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw appError("not_configured", `${feature} needs ${name}: npx convex env set ${name} <value>`);
  return value;
}
