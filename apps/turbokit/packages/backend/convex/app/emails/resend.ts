import { Resend } from "@convex-dev/resend";
import { components, internal } from "../../_generated/api.js";
import { readEnv } from "../../lib/env.ts";

let client: Resend | undefined;

/** Mails through the Resend component: in batches, each once, tried again when Resend is away. */
export function resend(): Resend {
  client ??= new Resend(components.resend, {
    apiKey: readEnv("RESEND_API_KEY") ?? "",
    webhookSecret: readEnv("RESEND_WEBHOOK_SECRET") ?? "",
    testMode: false,
    onEmailEvent: internal.emails.reported,
  });
  return client;
}

/** Whether mails can go out at all. */
export function canSend(): boolean {
  return readEnv("RESEND_API_KEY") !== undefined;
}
