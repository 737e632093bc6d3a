import type { StreamId } from "@convex-dev/persistent-text-streaming";
import { registerRoutes } from "@convex-dev/stripe";
import { httpRouter } from "convex/server";
import { components } from "./_generated/api";
import { httpAction } from "./_generated/server";
import { authComponent, createAuth } from "./auth";
import { resend } from "./mail";
import { streaming } from "./people";

const http = httpRouter();

http.route({
  path: "/stream",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { id } = (await request.json()) as { id: StreamId };
    return await streaming.stream(ctx, request, id, async (_ctx, _request, _id, append) => {
      for (const word of ["One. ", "Two. ", "Three."]) await append(word);
    });
  }),
});

http.route({
  path: "/resend",
  method: "POST",
  handler: httpAction((ctx, request) => resend.handleResendEventWebhook(ctx, request)),
});

registerRoutes(http, components.stripe, {
  STRIPE_SECRET_KEY: "sk_test_1",
  STRIPE_WEBHOOK_SECRET: "whsec_of_stripe",
});

authComponent.registerRoutes(http, createAuth);

export default http;
