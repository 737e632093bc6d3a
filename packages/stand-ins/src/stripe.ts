import { randomBytes } from "node:crypto";
import { type FormFields, formFields } from "./formFields.ts";
import { escapeHtml, htmlPage } from "./htmlPage.ts";
import { Service, type ServiceAnswer, type ServiceRequest } from "./service.ts";
import { Deliveries, stripeHeaders, type WebhookTarget } from "./webhooks.ts";

export interface StripeOptions {
  readonly port?: number;
  /** Where events go. May be set later: `stripe.webhooks.target`. */
  readonly webhook?: WebhookTarget;
}

/** A Checkout Session as Stripe shows it, as far as the apps look at it. */
export interface CheckoutSession {
  readonly id: string;
  readonly object: "checkout.session";
  readonly mode: "payment" | "subscription";
  readonly status: "open" | "complete" | "expired";
  readonly payment_status: "unpaid" | "paid";
  readonly amount_total: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly customer_email: string | null;
  readonly client_reference_id: string | null;
  readonly subscription: string | null;
  readonly payment_intent: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly success_url: string;
  readonly cancel_url: string | null;
  readonly url: string;
  readonly created: number;
  readonly livemode: false;
}

interface Checkout {
  readonly session: CheckoutSession;
  readonly lines: readonly Line[];
  readonly paid: () => void;
}

interface Line {
  readonly name: string;
  readonly amount: number;
  readonly quantity: number;
}

const sessionsMax = 10_000;

/**
 * Stripe as far as Checkout goes: sessions, a page on which nothing is really paid, and signed webhooks
 * (`checkout.session.completed`; for subscriptions `customer.subscription.created` and `deleted` too).
 */
export class Stripe {
  readonly service: Service;
  readonly webhooks: Deliveries;
  readonly #sessions = new Map<string, Checkout>();
  readonly #subscriptions = new Map<string, Readonly<Record<string, unknown>>>();

  private constructor(service: Service, webhook: WebhookTarget | undefined) {
    this.service = service;
    this.webhooks = new Deliveries(stripeHeaders, webhook);
  }

  static async start({ port, webhook }: StripeOptions = {}): Promise<Stripe> {
    let stripe: Stripe | null = null;
    const service = await Service.start(
      (request) => stripe?.answer(request) ?? { status: 503, body: "Starting" },
      port,
    );
    stripe = new Stripe(service, webhook);
    return stripe;
  }

  get url(): string {
    return this.service.url;
  }

  get sessions(): readonly CheckoutSession[] {
    return [...this.#sessions.values()].map(({ session }) => session);
  }

  async close(): Promise<void> {
    await this.webhooks.close();
    await this.service.close();
  }

  /**
   * A session without the detour over the API. `paid` is called when it is, before any event is sent: for a stand-in
   * of a service that works on top of Stripe.
   */
  create(fields: FormFields, paid: () => void = () => {}): CheckoutSession {
    if (this.#sessions.size >= sessionsMax) throw new Error(`There are ${sessionsMax} sessions already.`);
    const id = `cs_test_${idPart()}`;
    const lines = Object.values(fieldsOf(fields["line_items"])).map((each) => lineOf(fieldsOf(each)));
    const session: CheckoutSession = {
      id,
      object: "checkout.session",
      mode: fields["mode"] === "subscription" ? "subscription" : "payment",
      status: "open",
      payment_status: "unpaid",
      amount_total: lines.reduce((sum, { amount, quantity }) => sum + amount * quantity, 0),
      currency: currencyOf(fields),
      customer: textOf(fields["customer"]),
      customer_email: textOf(fields["customer_email"]),
      client_reference_id: textOf(fields["client_reference_id"]),
      subscription: null,
      payment_intent: null,
      metadata: Object.fromEntries(
        Object.entries(fieldsOf(fields["metadata"])).map(([name, value]) => [name, textOf(value) ?? ""]),
      ),
      success_url: textOf(fields["success_url"]) ?? `${this.url}/paid`,
      cancel_url: textOf(fields["cancel_url"]),
      url: `${this.url}/pay/${id}`,
      created: nowS(),
      livemode: false,
    };
    this.#sessions.set(id, { session, lines, paid });
    return session;
  }

  /** Somebody pays. Paying twice does nothing. Resolves when the events have been taken. */
  async pay(id: string): Promise<CheckoutSession> {
    const found = this.#sessions.get(id);
    if (found === undefined) throw new Error(`There is no session ${id}`);
    if (found.session.status !== "open") return found.session;
    const isSubscription = found.session.mode === "subscription";
    const session: CheckoutSession = {
      ...found.session,
      status: "complete",
      payment_status: "paid",
      customer: found.session.customer ?? `cus_${idPart()}`,
      subscription: isSubscription ? `sub_${idPart()}` : null,
      payment_intent: isSubscription ? null : `pi_${idPart()}`,
    };
    this.#sessions.set(id, { ...found, session });
    found.paid();
    const events = [this.send("checkout.session.completed", session)];
    if (session.subscription !== null) {
      const subscription = {
        id: session.subscription,
        object: "subscription",
        status: "active",
        customer: session.customer,
        metadata: session.metadata,
        cancel_at_period_end: false,
      };
      this.#subscriptions.set(session.subscription, subscription);
      events.push(this.send("customer.subscription.created", subscription));
    }
    await Promise.all(events);
    return session;
  }

  /** Tells the webhook of an event. */
  async send(type: string, object: object): Promise<void> {
    await this.webhooks.send({
      id: `evt_${idPart()}`,
      object: "event",
      api_version: "2025-09-30.clover",
      created: nowS(),
      livemode: false,
      pending_webhooks: 1,
      request: { id: null, idempotency_key: null },
      type,
      data: { object },
    });
  }

  async answer(request: ServiceRequest): Promise<ServiceAnswer> {
    const { method, path } = request;
    const [, area = "", ...rest] = path.split("/");
    if (area === "pay") return await this.#payPage(method, rest[0] ?? "");
    if (area === "paid") return htmlPage("Paid", "<h1>Paid</h1><p>You can close this page.</p>");
    if (area !== "v1") return refusal(404, `Unrecognized request URL (${method}: ${path}).`);
    if (!/^(Bearer|Basic) .+/.test(request.headers.authorization ?? ""))
      return refusal(401, "You did not provide an API key.");
    const fields = formFields(request.text);
    switch (`${method} ${rest.slice(0, 2).join("/")}`) {
      case "POST checkout/sessions":
        if (rest[2] === undefined) return { body: this.create(fields) };
        break;
      case "GET checkout/sessions": {
        const found = this.#sessions.get(rest[2] ?? "");
        return found === undefined ? missing("checkout.session", rest[2]) : { body: found.session };
      }
      case "POST customers":
        return { body: { id: `cus_${idPart()}`, object: "customer", ...fields, created: nowS() } };
      default:
        if (rest[0] === "subscriptions") return await this.#subscription(method, rest[1] ?? "");
    }
    return refusal(404, `Unrecognized request URL (${method}: ${path}).`);
  }

  async #subscription(method: string, id: string): Promise<ServiceAnswer> {
    const found = this.#subscriptions.get(id);
    if (found === undefined) return missing("subscription", id);
    if (method !== "DELETE") return { body: found };
    const ended = { ...found, status: "canceled", canceled_at: nowS() };
    this.#subscriptions.set(id, ended);
    await this.send("customer.subscription.deleted", ended);
    return { body: ended };
  }

  async #payPage(method: string, id: string): Promise<ServiceAnswer> {
    const found = this.#sessions.get(id);
    if (found === undefined) return htmlPage("Not found", "<h1>There is no such payment</h1>", 404);
    const { session, lines } = found;
    if (method === "POST") {
      // Not waited for: the webhook may come after the person is back, as with Stripe.
      const paid = this.pay(id);
      paid.catch(() => {});
      return { status: 303, headers: { location: session.success_url.replace("{CHECKOUT_SESSION_ID}", id) } };
    }
    const each = session.mode === "subscription" ? " per month" : "";
    return htmlPage(
      "Checkout",
      `<h1>${session.mode === "subscription" ? "Subscribe" : "Pay"}</h1>
       <p class="amount">${money(session.amount_total, session.currency)}<small>${each}</small></p>
       ${lines.map(({ name, amount, quantity }) => `<dl><dt>${escapeHtml(name)}${quantity > 1 ? ` × ${quantity}` : ""}</dt><dd>${money(amount * quantity, session.currency)}</dd></dl>`).join("")}
       <hr />
       <dl class="muted"><dt>Card</dt><dd>4242 4242 4242 4242</dd></dl>
       ${session.customer_email === null ? "" : `<dl class="muted"><dt>E-mail</dt><dd>${escapeHtml(session.customer_email)}</dd></dl>`}
       <form method="post"><button class="primary">${session.status === "open" ? "Pay" : "Paid already: go back"}</button></form>
       ${session.cancel_url === null ? "" : `<a class="button" href="${escapeHtml(session.cancel_url)}">Cancel</a>`}
       <small>A local stand-in for Stripe: no money moves.</small>`,
    );
  }
}

function lineOf(fields: FormFields): Line {
  const price = fieldsOf(fields["price_data"]);
  const product = fieldsOf(price["product_data"]);
  return {
    name: textOf(product["name"]) ?? textOf(fields["price"]) ?? "Item",
    amount: Number(textOf(price["unit_amount"]) ?? 0),
    quantity: Number(textOf(fields["quantity"]) ?? 1),
  };
}

function currencyOf(fields: FormFields): string {
  const [first] = Object.values(fieldsOf(fields["line_items"]));
  return textOf(fields["currency"]) ?? textOf(fieldsOf(fieldsOf(first)["price_data"])["currency"]) ?? "usd";
}

function fieldsOf(value: FormFields[string] | undefined): FormFields {
  return typeof value === "object" ? value : {};
}

function textOf(value: FormFields[string] | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function money(cents: number, currency: string): string {
  return (cents / 100).toLocaleString("en-US", { style: "currency", currency: currency.toUpperCase() });
}

function idPart(): string {
  return randomBytes(12).toString("hex");
}

function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

function missing(type: string, id = ""): ServiceAnswer {
  return refusal(404, `No such ${type}: '${id}'`, "resource_missing");
}

function refusal(status: number, message: string, code?: string): ServiceAnswer {
  return { status, body: { error: { type: "invalid_request_error", message, code } } };
}
