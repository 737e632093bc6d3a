import { AutumnRefusal, isHeld, type AutumnAccount, type AutumnAccounts } from "./autumnAccounts.ts";
import { escapeHtml, htmlPage } from "./htmlPage.ts";
import type { ServiceAnswer } from "./service.ts";

/** What a checkout page asks to be paid for. */
export interface Checkout {
  readonly customerId: string;
  readonly planIds: readonly string[];
  readonly successUrl: string | undefined;
}

const note = "<small>Nothing is really paid: this stands in for Autumn's checkout.</small>";

/** Opened it shows what is to be paid; its button, a `POST` to the same address, pays and goes on to the app. */
export function checkoutPage(
  accounts: AutumnAccounts,
  checkout: Checkout | undefined,
  method: string,
): ServiceAnswer {
  if (checkout === undefined)
    throw new AutumnRefusal(404, "checkout_not_found", "This checkout does not exist.");
  const account = accounts.get(checkout.customerId);
  const plans = checkout.planIds.map((id) => accounts.plan(id));
  if (method === "POST") {
    account.hasPaymentMethod = true;
    for (const plan of plans) if (!isHeld(account, plan)) accounts.attach(account, plan);
    if (checkout.successUrl !== undefined) return { status: 303, headers: { location: checkout.successUrl } };
    return htmlPage("Paid", "<h1>Paid</h1><p>You can close this page.</p>");
  }
  const total = plans.reduce((sum, { price = 0 }) => sum + price, 0);
  const lines = plans.map(
    ({ name, price = 0 }) => `<dl><dt>${escapeHtml(name)}</dt><dd>$${price} a month</dd></dl>`,
  );
  const action = plans.length === 0 ? "Save the card" : "Pay";
  return htmlPage(
    "Checkout",
    `<h1>${escapeHtml(account.name ?? account.id)}</h1><p class="amount">$${total}</p>${lines.join("")}
    <form method="post"><button class="primary">${action}</button></form>${note}`,
  );
}

export function portalPage(account: AutumnAccount): ServiceAnswer {
  const plans = account.held.map(({ plan }) => `<li>${escapeHtml(plan.name)}</li>`).join("");
  const card = account.hasPaymentMethod ? "Visa ending in 4242" : "No card yet";
  const name = escapeHtml(account.name ?? account.id);
  return htmlPage("Billing", `<h1>${name}</h1><ul>${plans}</ul><p class="muted">${card}</p>${note}`);
}
