import {
  AutumnRefusal,
  isHeld,
  mainPlanOf,
  type AutumnAccount,
  type AutumnAccounts,
  type AutumnFeature,
  type AutumnPlan,
} from "./autumnAccounts.ts";

// What Autumn's API answers with: the shapes of `autumn-js`'s types.

export function featurePreview(accounts: AutumnAccounts, account: AutumnAccount, featureId: string): object {
  const { name } = accounts.feature(featureId);
  const plans = accounts.catalog.plans.filter(({ includes }) => includes[featureId] !== undefined);
  return {
    scenario: accounts.balance(account, featureId).included > 0 ? "usage_limit" : "feature_flag",
    title: "Upgrade to continue",
    message: `You have no more ${name}. Upgrade to continue.`,
    feature_id: featureId,
    feature_name: name,
    products: plans.map((plan) => productView(accounts, plan, account)),
  };
}

export function balanceView(accounts: AutumnAccounts, account: AutumnAccount, featureId: string): object {
  const { included, used, unlimited } = accounts.balance(account, featureId);
  const source = account.held.find(({ plan }) => plan.includes[featureId] !== undefined);
  return {
    unlimited,
    interval: "month",
    balance: unlimited ? null : included - used,
    usage: used,
    included_usage: included,
    next_reset_at: source?.periodEnd ?? null,
    overage_allowed: false,
  };
}

export function featureView({ id, name, type, credits }: AutumnFeature): object {
  const schema = Object.entries(credits ?? {}).map(([feature_id, credit_amount]) => ({
    feature_id,
    credit_amount,
  }));
  return { id, name, type, ...(schema.length > 0 ? { credit_schema: schema } : {}) };
}

function items(accounts: AutumnAccounts, plan: AutumnPlan): object[] {
  const price =
    plan.price === undefined
      ? []
      : [
          {
            type: "price",
            interval: "month",
            price: plan.price,
            display: { primary_text: `$${plan.price}`, secondary_text: "per month" },
          },
        ];
  const features = Object.entries(plan.includes).map(([id, included]) => {
    const { name, type } = accounts.feature(id);
    const count = included === "inf" ? "Unlimited" : String(included);
    return {
      type: "feature",
      feature_id: id,
      feature: { id, name, type },
      ...(type === "boolean" ? {} : { included_usage: included, interval: "month" }),
      display: { primary_text: type === "boolean" ? name : `${count} ${name}` },
    };
  });
  return [...price, ...features];
}

export function productView(accounts: AutumnAccounts, plan: AutumnPlan, account?: AutumnAccount): object {
  const current = account === undefined ? undefined : mainPlanOf(account);
  const held = account !== undefined && isHeld(account, plan);
  const change = (plan.price ?? 0) >= (current?.price ?? 0) ? "upgrade" : "downgrade";
  const scenario = held ? "active" : current === undefined || plan.isAddOn === true ? "new" : change;
  return {
    id: plan.id,
    name: plan.name,
    created_at: 0,
    env: "sandbox",
    is_add_on: plan.isAddOn === true,
    is_default: plan.isDefault === true,
    group: "",
    version: 1,
    items: items(accounts, plan),
    free_trial: null,
    base_variant_id: null,
    properties: {
      is_free: plan.price === undefined,
      is_one_off: false,
      interval_group: "month",
      has_trial: false,
      updateable: false,
    },
    ...(account === undefined ? {} : { scenario }),
  };
}

export function customerView(accounts: AutumnAccounts, account: AutumnAccount): Record<string, unknown> {
  const featureIds = new Set(account.held.flatMap(({ plan }) => Object.keys(plan.includes)));
  const features = [...featureIds].map((id) => {
    const { name, type } = accounts.feature(id);
    const counts = type === "boolean" ? {} : balanceView(accounts, account, id);
    return [id, { id, name, type: type === "boolean" ? "static" : type, ...counts }];
  });
  return {
    id: account.id,
    created_at: account.createdAt,
    name: account.name,
    email: account.email,
    fingerprint: account.fingerprint,
    stripe_id: account.stripeId,
    env: "sandbox",
    metadata: account.metadata,
    send_email_receipts: false,
    billing_controls: {},
    products: account.held.map(({ plan, startedAt, periodEnd, canceledAt }) => ({
      id: plan.id,
      name: plan.name,
      group: null,
      status: "active",
      started_at: startedAt,
      canceled_at: canceledAt,
      version: 1,
      current_period_start: startedAt,
      current_period_end: periodEnd,
      is_add_on: plan.isAddOn === true,
      is_default: plan.isDefault === true,
      items: items(accounts, plan),
    })),
    features: Object.fromEntries(features),
  };
}

/** A customer with what `?expand=` asks for besides. */
export function expandedCustomerView(
  accounts: AutumnAccounts,
  account: AutumnAccount,
  asked: readonly string[],
): object {
  const whole = customerView(accounts, account);
  if (asked.includes("invoices"))
    whole["invoices"] = account.invoices.map(({ planId, total, createdAt }, at) => ({
      product_ids: [planId],
      stripe_id: `in_${account.id}_${at}`,
      status: "paid",
      total,
      currency: "usd",
      created_at: createdAt,
      hosted_invoice_url: null,
    }));
  if (asked.includes("entities"))
    whole["entities"] = [...account.entities.keys()].map((id) => entityView(accounts, account, id));
  if (asked.includes("payment_method"))
    whole["payment_method"] = account.hasPaymentMethod
      ? { type: "card", card: { brand: "visa", last4: "4242" } }
      : null;
  return whole;
}

export function entityView(accounts: AutumnAccounts, account: AutumnAccount, id: string): object {
  const found = account.entities.get(id);
  if (found === undefined) throw new AutumnRefusal(404, "entity_not_found", `Entity ${id} not found`);
  const { env, products: held, features } = customerView(accounts, account);
  const { name, createdAt } = found;
  return { id, name, customer_id: account.id, created_at: createdAt, env, products: held, features };
}
