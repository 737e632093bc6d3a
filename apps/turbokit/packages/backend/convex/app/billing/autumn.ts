import { Autumn } from "@useautumn/convex";
import { components } from "../../_generated/api.js";
import type { Doc, Id } from "../../_generated/dataModel.js";
import { appUrl, readEnv, requireEnv } from "../../lib/env.ts";
import { backendError } from "../../lib/errors.ts";
import type { Plan } from "./plans.ts";

/*
 * Autumn: plans and what is used of them. A customer's id there is the user's id here, a product's id the plan's name.
 * Workflows and batches speak for users who are not calling, so it is said with each call for whom it is made.
 */

interface Customer {
  readonly customerId: Id<"users"> | string;
  readonly customerData?: { readonly name?: string; readonly email?: string };
}

let client: Autumn | undefined;

function autumn(): Autumn {
  const url = readEnv("AUTUMN_URL");
  client ??= new Autumn(components.autumn, {
    identify: (customer: Customer) => customer,
    secretKey: requireEnv("AUTUMN_SECRET_KEY"),
    ...(url === undefined ? {} : { url }),
  });
  return client;
}

/** Whether there is an account with Autumn. Without one everybody stays on the plan that they have. */
export function hasAutumn(): boolean {
  return readEnv("AUTUMN_SECRET_KEY") !== undefined;
}

/** Makes a user known. Making them known twice is no error. */
export async function createCustomer(user: Doc<"users">): Promise<void> {
  const { _id: id, name, email } = user;
  answerOf(await autumn().customers.create(customerOf(user), { id, name, email }));
}

/** Takes a user out again. */
export async function deleteCustomer(user: Doc<"users">): Promise<void> {
  answerOf(await autumn().customers.delete(customerOf(user)));
}

/** Where a user pays for a plan; null when nothing is to be paid and they are on it already. */
export async function checkout(user: Doc<"users">, plan: Plan): Promise<string | null> {
  const metadata = { userId: user._id, plan };
  const successUrl = `${appUrl()}/?checkout=done`;
  const answer = answerOf(
    await autumn().checkout(customerOf(user), {
      productId: plan,
      successUrl,
      checkoutSessionParams: { metadata, subscription_data: { metadata } },
    }),
  );
  if (typeof answer.url === "string") return answer.url;
  // A card is on file: nothing stands between them and the plan.
  answerOf(await autumn().attach(customerOf(user), { productId: plan, successUrl }));
  return null;
}

/** Where a user changes how they pay. */
export async function portal(user: Doc<"users">): Promise<string> {
  const answer = answerOf(await autumn().customers.billingPortal(customerOf(user), { returnUrl: appUrl() }));
  return answer.url;
}

/** Ends a user's plan. */
export async function cancel(user: Doc<"users">): Promise<void> {
  const { autumn: sdk } = await autumn().getAuthParams({ ctx: customerOf(user) });
  answerOf(await sdk.cancel({ customer_id: user._id, product_id: user.plan, cancel_immediately: true }));
}

/** The plan that a user is on, as Autumn sees it. */
export async function currentPlan(user: Doc<"users">): Promise<Plan> {
  const { products } = answerOf(await autumn().customers.get(customerOf(user)));
  const active = products
    .filter(({ status }) => ["active", "trialing"].includes(String(status)))
    .map(({ id }) => id);
  if (active.includes("enterprise")) return "enterprise";
  return active.includes("pro") ? "pro" : "free";
}

/** Tells how many credits were used. The key makes Autumn count it once. Returns whether it need not be sent again. */
export async function trackCredits({ key, payload }: Doc<"outbox">): Promise<boolean> {
  if (!hasAutumn()) return true;
  const { customerId, featureId, value } = payload as {
    customerId: string;
    featureId: string;
    value: number;
  };
  try {
    answerOf(await autumn().track({ customerId }, { featureId, value, idempotencyKey: key }));
    return true;
  } catch (error) {
    console.error(`Autumn has not taken ${key}`, error);
    return false;
  }
}

function customerOf({ _id, name, email }: Doc<"users">): Customer {
  return { customerId: _id, customerData: { name, email } };
}

/** @throws SERVICE_FAILED when Autumn has refused, or cannot be reached */
function answerOf<T>(answer: { data: T | null; error?: { message: string; code: string } | null }): T {
  if (answer.error != null || answer.data === null)
    throw backendError("SERVICE_FAILED", `Autumn: ${answer.error?.message ?? "no answer"}`, {
      service: "autumn",
    });
  return answer.data;
}
