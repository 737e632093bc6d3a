import type { GenericCtx } from "@convex-dev/better-auth";
import { APIError, createAuthMiddleware } from "better-auth/api";
import { internal } from "../_generated/api.js";
import type { DataModel } from "../_generated/dataModel.js";
import type { AttemptKind } from "./attempts.ts";

/** What of Better Auth's HTTP API is limited, and as what. */
const kinds: Readonly<Record<string, AttemptKind>> = {
  "/sign-in/email": "password",
  "/change-password": "password",
  "/sign-up/email": "account",
  "/request-password-reset": "mail",
  "/send-verification-email": "mail",
};

/** Better Auth's hooks that hold back whoever tries too often; see `model/attempts.ts`. */
export function attemptHooks(ctx: GenericCtx<DataModel>) {
  const { take, forget } = internal.functions.mutations.attempts;
  return {
    before: createAuthMiddleware(async ({ path, body }) => {
      const kind = kinds[path];
      if (kind === undefined || !("runMutation" in ctx)) return;
      const waitMs = await ctx.runMutation(take, { kind, email: emailIn(body) });
      if (waitMs === 0) return;
      const seconds = Math.ceil(waitMs / 1000);
      const minutes = Math.ceil(seconds / 60);
      throw new APIError(
        "TOO_MANY_REQUESTS",
        {
          code: "TOO_MANY_ATTEMPTS",
          message: `Too many attempts. Please try again in ${minutes === 1 ? "a minute" : `${minutes} minutes`}.`,
        },
        { "retry-after": String(seconds) },
      );
    }),
    after: createAuthMiddleware(async ({ path, body, context }) => {
      if (path !== "/sign-in/email" || !context.newSession || !("runMutation" in ctx)) return;
      await ctx.runMutation(forget, { kind: "password", email: emailIn(body) });
    }),
  };
}

function emailIn(body: unknown): string {
  if (typeof body !== "object" || body === null || !("email" in body)) return "";
  return typeof body.email === "string" ? body.email : "";
}
