import { httpRouter } from "convex/server";
import { Webhook } from "svix";
import { internal } from "./_generated/api.js";
import { httpAction } from "./_generated/server.js";
import { verifyStripeEvent } from "./app/billing/stripe.ts";
import { resend } from "./app/emails/resend.ts";
import { readEnv } from "./lib/env.ts";

const http = httpRouter();

/** Clerk: people and their sessions. */
http.route({
  path: "/webhooks/clerk",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const secret = readEnv("CLERK_WEBHOOK_SECRET");
    if (secret === undefined) return notConfigured("CLERK_WEBHOOK_SECRET");
    const event = verifySvix(secret, await request.text(), request.headers);
    if (event === null) return new Response("Invalid signature", { status: 400 });
    const eventId = request.headers.get("svix-id") ?? "";
    await ctx.runMutation(internal.users.applyWebhook, { eventId, event });
    return new Response(null, { status: 200 });
  }),
});

/** Stripe: payments and subscriptions. */
http.route({
  path: "/webhooks/stripe",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    if (readEnv("STRIPE_WEBHOOK_SECRET") === undefined) return notConfigured("STRIPE_WEBHOOK_SECRET");
    const event = await verifyStripeEvent(await request.text(), request.headers.get("stripe-signature"));
    if (event === null) return new Response("Invalid signature", { status: 400 });
    const isApplied = await ctx.runMutation(internal.billing.applyWebhook, { event });
    // Stripe delivers again later, when what this one refers to has arrived too.
    return new Response(null, { status: isApplied ? 200 : 503 });
  }),
});

/** Resend: what became of mails. The component verifies the signature itself, and throws. */
http.route({
  path: "/webhooks/resend",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const secret = readEnv("RESEND_WEBHOOK_SECRET");
    if (secret === undefined) return notConfigured("RESEND_WEBHOOK_SECRET");
    const copy = request.clone();
    if (verifySvix(secret, await copy.text(), copy.headers) === null)
      return new Response("Invalid signature", { status: 400 });
    return await resend().handleResendEventWebhook(ctx, request);
  }),
});

/** For whoever watches whether the backend runs. */
http.route({
  path: "/health",
  method: "GET",
  handler: httpAction(() => Promise.resolve(Response.json({ status: "ok" }))),
});

/** The body of a delivery; null when its signature is wrong, or older than five minutes. */
function verifySvix(secret: string, body: string, headers: Headers): unknown {
  try {
    return new Webhook(secret).verify(body, {
      "svix-id": headers.get("svix-id") ?? "",
      "svix-timestamp": headers.get("svix-timestamp") ?? "",
      "svix-signature": headers.get("svix-signature") ?? "",
    });
  } catch {
    return null;
  }
}

function notConfigured(variable: string): Response {
  return new Response(`Set ${variable} in the deployment's environment variables`, { status: 503 });
}

export default http;
