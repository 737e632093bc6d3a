import { Stripe } from "stripe";
import type { Doc } from "../../_generated/dataModel.js";
import { appUrl, requireEnv } from "../../lib/env.ts";
import { backendError } from "../../lib/errors.ts";
import { type Pack, packs } from "./plans.ts";

/** Stripe's own client, speaking with `fetch`. */
function stripe(): Stripe {
  return new Stripe(requireEnv("STRIPE_SECRET_KEY"), { httpClient: Stripe.createFetchHttpClient() });
}

/** Where a user pays for credits. What they get is in the metadata, which the webhook brings back. */
export async function creditsCheckout(user: Doc<"users">, pack: Pack): Promise<string> {
  const { credits, price } = packs[pack];
  const metadata = { userId: user._id, pack };
  try {
    const { url } = await stripe().checkout.sessions.create({
      mode: "payment",
      client_reference_id: user._id,
      customer_email: user.email,
      metadata,
      payment_intent_data: { metadata },
      line_items: [
        {
          quantity: 1,
          price_data: {
            currency: "usd",
            unit_amount: price,
            product_data: { name: `${credits} credits` },
          },
        },
      ],
      success_url: `${appUrl()}/?checkout=done`,
      cancel_url: `${appUrl()}/?checkout=cancelled`,
    });
    if (url !== null) return url;
  } catch (error) {
    throw backendError("SERVICE_FAILED", `Stripe: ${(error as Error).message}`, { service: "stripe" });
  }
  throw backendError("SERVICE_FAILED", "Stripe: no address to pay at", { service: "stripe" });
}

/**
 * What Stripe has delivered, if it is Stripe that has.
 *
 * @returns null for a signature that is wrong or older than five minutes
 */
export async function verifyStripeEvent(
  body: string,
  signature: string | null,
): Promise<Stripe.Event | null> {
  const secret = requireEnv("STRIPE_WEBHOOK_SECRET");
  try {
    return await Stripe.webhooks.constructEventAsync(
      body,
      signature ?? "",
      secret,
      undefined,
      Stripe.createSubtleCryptoProvider(),
    );
  } catch {
    return null;
  }
}
