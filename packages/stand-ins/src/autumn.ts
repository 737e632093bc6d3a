import {
  AutumnAccounts,
  AutumnRefusal,
  mainPlanOf,
  type AutumnAccount,
  type AutumnCatalog,
  type AutumnEvent,
  type AutumnPlan,
  type CustomerFields,
} from "./autumnAccounts.ts";
import { checkoutPage, portalPage, type Checkout } from "./autumnPages.ts";
import {
  balanceView,
  customerView,
  entityView,
  expandedCustomerView,
  featurePreview,
  featureView,
  productView,
} from "./autumnViews.ts";
import { Service, type ServiceRequest } from "./service.ts";
import type { Stripe } from "./stripe.ts";

export interface AutumnOptions extends AutumnCatalog {
  /** What requests must carry as `Authorization: Bearer`. */
  readonly secretKey: string;
  readonly port?: number;
  /** Where plans are paid, as with the real one; it then tells the app's webhook. Default: a page of this server. */
  readonly stripe?: Stripe;
}

export type AutumnService = Service & { readonly accounts: AutumnAccounts };

/** What any of the requests may say. Only text fields that are needed are checked. */
interface Body {
  readonly id?: string;
  readonly name?: string;
  readonly email?: string;
  readonly fingerprint?: string;
  readonly stripe_id?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly customer_id?: string;
  readonly customer_data?: Body;
  readonly feature_id?: string | readonly string[];
  readonly event_name?: string;
  readonly entity_id?: string;
  readonly product_id?: string;
  readonly product_ids?: readonly string[];
  readonly options?: readonly object[];
  readonly value?: number;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly idempotency_key?: string;
  readonly required_balance?: number;
  readonly send_event?: boolean;
  readonly with_preview?: boolean;
  readonly force_checkout?: boolean;
  readonly cancel_immediately?: boolean;
  readonly success_url?: string;
  /** What Autumn passes on to Stripe. */
  readonly checkout_session_params?: { readonly metadata?: Readonly<Record<string, string>> };
  readonly balances?: readonly { readonly feature_id: string; readonly balance: number }[];
  readonly offset?: number;
  readonly limit?: number;
  readonly bin_size?: "day" | "hour";
}

interface Call {
  readonly accounts: AutumnAccounts;
  readonly request: ServiceRequest;
  readonly body: Body;
  /** What the path's placeholders stand for. */
  readonly at: readonly string[];
  readonly pageUrl: (page: string) => string;
  readonly stripe: Stripe | undefined;
}

/**
 * Autumn's API (version 1.2) as `autumn-js` calls it; give its `url` option the service's `url`. A plan with a price
 * is attached through a checkout page of this server the first time: opening it and pressing the button, or
 * `POST`ing to its address, pays.
 */
export async function startAutumn(options: AutumnOptions): Promise<AutumnService> {
  const accounts = new AutumnAccounts(options);
  const checkouts = new Map<string, Checkout>();
  let origin = "";
  const service = await Service.start((request) => {
    try {
      const [, kind, id = ""] = /^\/pages\/(checkout|portal)\/(.+)$/.exec(request.path) ?? [];
      if (kind === "checkout") return checkoutPage(accounts, checkouts.get(id), request.method);
      if (kind === "portal") return portalPage(accounts.get(decodeURIComponent(id)));
      if (request.headers.authorization !== `Bearer ${options.secretKey}`)
        throw new AutumnRefusal(401, "invalid_secret_key", "Invalid secret key");
      const body = (request.text === "" ? {} : JSON.parse(request.text)) as Body;
      const pageUrl = (page: string) => `${origin}/pages/${page}`;
      const { stripe } = options;
      return { body: answer({ accounts, request, body, at: [], pageUrl, stripe }, checkouts) };
    } catch (error) {
      if (!(error instanceof AutumnRefusal)) throw error;
      return { status: error.status, body: { message: error.message, code: error.code } };
    }
  }, options.port);
  origin = service.url;
  return Object.assign(service, { accounts });
}

function answer(call: Call, checkouts: Map<string, Checkout>): object {
  const { method, path } = call.request;
  for (const [route, handler] of Object.entries(routes)) {
    const [routeMethod, routePath = ""] = route.split(" ");
    if (routeMethod !== method) continue;
    const match = new RegExp(`^${routePath.replaceAll("*", "([^/]+)")}$`).exec(path);
    if (match !== null) return handler({ ...call, at: match.slice(1).map(decodeURIComponent) }, checkouts);
  }
  throw new AutumnRefusal(404, "not_found", `There is no ${method} ${path}`);
}

const routes: Readonly<Record<string, (call: Call, checkouts: Map<string, Checkout>) => object>> = {
  "GET /customers": ({ accounts }) => ({
    list: accounts.all().map((account) => customerView(accounts, account)),
  }),
  "POST /customers": ({ accounts, body, request }) =>
    expandedCustomerView(accounts, accounts.getOrCreate(body.id, customerFields(body)), expandOf(request)),
  "GET /customers/*": ({ accounts, at: [id = ""], request }) =>
    expandedCustomerView(accounts, accounts.get(id), expandOf(request)),
  "POST /customers/*": ({ accounts, body, at: [id = ""] }) =>
    customerView(accounts, accounts.update(id, customerFields(body))),
  "DELETE /customers/*": ({ accounts, at: [id = ""] }) => {
    accounts.delete(id);
    return { success: true };
  },
  "POST /customers/*/billing_portal": ({ accounts, at: [id = ""], pageUrl }) => ({
    customer_id: accounts.get(id).id,
    url: pageUrl(`portal/${encodeURIComponent(id)}`),
  }),
  "POST /customers/*/balances": ({ accounts, body, at: [id = ""] }) => {
    const account = accounts.get(id);
    for (const { feature_id, balance } of body.balances ?? [])
      account.used.set(feature_id, accounts.balance(account, feature_id).included - balance);
    return { success: true };
  },
  "POST /customers/*/entities": ({ accounts, body, at: [id = ""] }) => {
    const account = accounts.getOrCreate(id);
    const { id: featureId } = accounts.feature(featureOf(body));
    const { id: entityId = accounts.newId("ent"), name = "" } = body;
    account.entities.set(entityId, { name, featureId, createdAt: Date.now() });
    return entityView(accounts, account, entityId);
  },
  "GET /customers/*/entities/*": ({ accounts, at: [id = "", entityId = ""] }) =>
    entityView(accounts, accounts.get(id), entityId),
  "DELETE /customers/*/entities/*": ({ accounts, at: [id = "", entityId = ""] }) => {
    const account = accounts.get(id);
    entityView(accounts, account, entityId);
    account.entities.delete(entityId);
    return { success: true };
  },
  "GET /products": (call) => products(call),
  "GET /products_beta": (call) => products(call),
  "GET /products/*": ({ accounts, at: [id] }) => productView(accounts, accounts.plan(id)),
  "GET /features": ({ accounts }) => ({ list: accounts.catalog.features.map(featureView) }),
  "GET /features/*": ({ accounts, at: [id] }) => featureView(accounts.feature(id)),
  "POST /check": (call) => check(call),
  "POST /track": ({ accounts, body }) => {
    const account = accountOf(accounts, body);
    const { id: featureId } = accounts.feature(featureOf(body) ?? body.event_name);
    const key = body.idempotency_key;
    if (key !== undefined && account.idempotencyKeys.has(key))
      throw new AutumnRefusal(
        409,
        "duplicate_idempotency_key",
        `Another request with idempotency key ${key} has already been received`,
      );
    if (key !== undefined) account.idempotencyKeys.add(key);
    const event = accounts.track(account, featureId, body.value ?? 1, body.properties ?? {});
    return { id: event.id, code: "event_received", customer_id: account.id, feature_id: featureId };
  },
  "POST /usage": ({ accounts, body }) => {
    const account = accountOf(accounts, body);
    const { id } = accounts.feature(featureOf(body));
    account.used.set(id, Math.max(0, body.value ?? 0));
    return { code: "usage_set", customer_id: account.id, feature_id: id };
  },
  "POST /attach": (call, checkouts) => {
    const { accounts, body } = call;
    const account = accountOf(accounts, body);
    const plans = plansOf(call);
    const head = { customer_id: account.id, product_ids: plans.map(({ id }) => id) };
    if (needsCheckout(account, plans) || body.force_checkout === true) {
      const message = `Successfully created checkout for customer ${account.id}`;
      const checkout_url = openCheckout(call, checkouts, account, plans);
      return { ...head, code: "checkout_created", message, checkout_url };
    }
    for (const plan of plans) accounts.attach(account, plan);
    const names = plans.map(({ name }) => name).join(", ");
    return { ...head, code: "new_product_attached", message: `Successfully attached ${names}` };
  },
  "POST /checkout": (call, checkouts) => {
    const { accounts, body } = call;
    const account = accountOf(accounts, body);
    const plans = plansOf(call);
    const [plan] = plans;
    const total = plans.reduce((sum, { price = 0 }) => sum + price, 0);
    const current = mainPlanOf(account);
    return {
      ...(needsCheckout(account, plans) ? { url: openCheckout(call, checkouts, account, plans) } : {}),
      customer_id: account.id,
      has_prorations: false,
      lines: plans.map(({ name, price = 0 }) => ({
        description: name,
        amount: price,
        item: { type: "price", price },
      })),
      total,
      currency: "usd",
      options: body.options ?? [],
      product: plan === undefined ? null : productView(accounts, plan, account),
      current_product: current === undefined ? null : productView(accounts, current, account),
    };
  },
  "POST /cancel": ({ accounts, body }) => {
    const account = accounts.get(body.customer_id ?? "");
    accounts.cancel(account, body.product_id, body.cancel_immediately === true);
    return { success: true, customer_id: account.id, product_id: body.product_id };
  },
  "POST /setup_payment": (call, checkouts) => {
    const account = accountOf(call.accounts, call.body);
    return { customer_id: account.id, url: openCheckout(call, checkouts, account, []) };
  },
  "POST /events/list": ({ accounts, body }) => {
    const { offset = 0, limit = 100 } = body;
    const events = eventsOf(accounts, body).toReversed();
    const list = events.slice(offset, offset + limit);
    return { list, has_more: offset + limit < events.length, offset, limit, total: events.length };
  },
  "POST /events/aggregate": aggregate,
  "POST /query": aggregate,
};

/** What is to be told of a customer besides the usual. */
function expandOf({ query }: ServiceRequest): string[] {
  return query.get("expand")?.split(",") ?? [];
}

function customerFields(body: Body): CustomerFields {
  const { name, email, fingerprint, stripe_id: stripeId, metadata } = body;
  return { name, email, fingerprint, stripeId, metadata };
}

function featureOf({ feature_id: id }: Body): string | undefined {
  return typeof id === "string" ? id : undefined;
}

function accountOf(accounts: AutumnAccounts, body: Body): AutumnAccount {
  return accounts.getOrCreate(body.customer_id, customerFields(body.customer_data ?? {}));
}

function plansOf({ accounts, body }: Call): AutumnPlan[] {
  const ids = body.product_ids ?? [body.product_id];
  return ids.map((id) => accounts.plan(id));
}

function needsCheckout(account: AutumnAccount, plans: readonly AutumnPlan[]): boolean {
  return !account.hasPaymentMethod && plans.some(({ price }) => price !== undefined);
}

function openCheckout(
  { accounts, body, pageUrl, stripe }: Call,
  checkouts: Map<string, Checkout>,
  account: AutumnAccount,
  plans: readonly AutumnPlan[],
): string {
  const { success_url: successUrl } = body;
  if (stripe !== undefined) return openStripe(stripe, { accounts, account, plans, body });
  const id = accounts.newId("cs");
  checkouts.set(id, {
    customerId: account.id,
    planIds: plans.map((plan) => plan.id),
    successUrl,
  });
  return pageUrl(`checkout/${id}`);
}

function openStripe(
  stripe: Stripe,
  {
    accounts,
    account,
    plans,
    body,
  }: {
    readonly accounts: AutumnAccounts;
    readonly account: AutumnAccount;
    readonly plans: readonly AutumnPlan[];
    readonly body: Body;
  },
): string {
  const lines = plans.map(({ name, price = 0 }) => ({
    price_data: { currency: "usd", unit_amount: String(price * 100), product_data: { name } },
  }));
  const fields = {
    mode: "subscription",
    client_reference_id: account.id,
    customer_email: account.email ?? "",
    success_url: body.success_url ?? "",
    metadata: body.checkout_session_params?.metadata ?? {},
    line_items: Object.fromEntries(lines.entries()),
  };
  const { url } = stripe.create(fields, () => {
    account.hasPaymentMethod = true;
    for (const plan of plans) accounts.attach(account, plan);
  });
  return url;
}

function check(call: Call): object {
  const { accounts, body } = call;
  const account = accountOf(accounts, body);
  const head = { customer_id: account.id, ...(body.entity_id ? { entity_id: body.entity_id } : {}) };
  if (body.product_id !== undefined) {
    const { id } = accounts.plan(body.product_id);
    const held = account.held.find(({ plan }) => plan.id === id);
    const status = held === undefined ? {} : { status: held.canceledAt === null ? "active" : "canceled" };
    return { allowed: held !== undefined, ...head, product_id: id, ...status };
  }
  const { id, type } = accounts.feature(featureOf(body));
  const meter = accounts.meter(account, id);
  const required = (body.required_balance ?? 1) * meter.factor;
  const { included, used, unlimited } = accounts.balance(account, meter.featureId);
  const has = account.held.some(({ plan }) => plan.includes[meter.featureId] !== undefined);
  const allowed = has && (type === "boolean" || unlimited || included - used >= required);
  if (allowed && body.send_event === true)
    accounts.track(account, id, required / meter.factor, body.properties ?? {});
  const counts = type === "boolean" ? {} : balanceView(accounts, account, meter.featureId);
  const preview =
    body.with_preview === true && !allowed ? { preview: featurePreview(accounts, account, id) } : {};
  return { allowed, ...head, feature_id: meter.featureId, required_balance: required, ...counts, ...preview };
}

function products({ accounts, request }: Call): object {
  const id = request.query.get("customer_id");
  const account = id === null ? undefined : accounts.getOrCreate(id);
  return { list: accounts.catalog.plans.map((plan) => productView(accounts, plan, account)) };
}

function eventsOf(accounts: AutumnAccounts, body: Body): AutumnEvent[] {
  const wanted: readonly string[] = [body.feature_id ?? []].flat();
  return accounts.get(body.customer_id ?? "").events.filter(({ feature_id }) => wanted.includes(feature_id));
}

/** Sums of what was tracked, by day or hour. */
function aggregate({ accounts, body }: Call): object {
  const binMs = body.bin_size === "hour" ? 3_600_000 : 24 * 3_600_000;
  const sums = new Map<number, Record<string, number>>();
  for (const { timestamp, feature_id, value } of eventsOf(accounts, body)) {
    const period = timestamp - (timestamp % binMs);
    const sum = sums.get(period) ?? {};
    sum[feature_id] = (sum[feature_id] ?? 0) + value;
    sums.set(period, sum);
  }
  return { list: [...sums].map(([period, values]) => ({ period, ...values })) };
}
