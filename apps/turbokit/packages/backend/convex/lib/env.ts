import { backendError } from "./errors.ts";

/** The deployment's environment variables that the backend knows; README.md says what each is for. */
export type Variable =
  | "ADMIN_EMAILS"
  | "APP_URL"
  | "AUTUMN_SECRET_KEY"
  | "AUTUMN_URL"
  | "CLERK_WEBHOOK_SECRET"
  | "EMAIL_FROM"
  | "ONBOARDING_PAUSE_MS"
  | "ONBOARDING_WAIT_MS"
  | "OPENROUTER_API_KEY"
  | "OPENROUTER_BASE_URL"
  | "OPENROUTER_MODEL"
  | "POSTHOG_API_KEY"
  | "POSTHOG_HOST"
  | "R2_ACCESS_KEY_ID"
  | "R2_BUCKET_NAME"
  | "R2_ENDPOINT"
  | "R2_SECRET_ACCESS_KEY"
  | "RESEND_API_KEY"
  | "RESEND_WEBHOOK_SECRET"
  | "STRIPE_SECRET_KEY"
  | "STRIPE_WEBHOOK_SECRET";

/** A variable's value; an empty one counts as not set. */
export function readEnv(name: Variable): string | undefined {
  const value = process.env[name];
  return value === undefined || value === "" ? undefined : value;
}

/** @throws NOT_CONFIGURED when it is not set */
export function requireEnv(name: Variable): string {
  const value = readEnv(name);
  if (value === undefined)
    throw backendError("NOT_CONFIGURED", `Set ${name} in the deployment's environment variables`, {
      variable: name,
    });
  return value;
}

/** Where the web page is, without a slash at the end. */
export function appUrl(): string {
  return (readEnv("APP_URL") ?? "http://127.0.0.1:5173").replace(/\/+$/, "");
}
