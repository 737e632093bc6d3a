/** What a plan counts or switches on. */
export interface AutumnFeature {
  readonly id: string;
  readonly name: string;
  /** `single_use` is used up until the next period, `continuous_use` is given back (seats), `boolean` is on or off. */
  readonly type: "boolean" | "single_use" | "continuous_use" | "credit_system";
  /** Of a credit system: how many credits one use of another feature costs. */
  readonly credits?: Readonly<Record<string, number>>;
}

export interface AutumnPlan {
  readonly id: string;
  readonly name: string;
  /** In US dollars, for a month. Without one the plan is free. */
  readonly price?: number;
  /** Every new customer has it, and who cancels another plan returns to it. */
  readonly isDefault?: boolean;
  /** Is held beside another plan instead of replacing it. */
  readonly isAddOn?: boolean;
  /** How much of each feature a month includes; for switches any number. */
  readonly includes: Readonly<Record<string, number | "inf">>;
}

export interface AutumnEvent {
  readonly id: string;
  readonly timestamp: number;
  readonly feature_id: string;
  readonly customer_id: string;
  readonly value: number;
  readonly properties: Readonly<Record<string, unknown>>;
}

interface Held {
  readonly plan: AutumnPlan;
  readonly startedAt: number;
  periodEnd: number;
  canceledAt: number | null;
}

export interface AutumnAccount {
  readonly id: string;
  readonly createdAt: number;
  name: string | null;
  email: string | null;
  fingerprint: string | null;
  stripeId: string | null;
  metadata: Readonly<Record<string, unknown>>;
  /** A checkout has been paid, so that further plans need none. */
  hasPaymentMethod: boolean;
  held: Held[];
  readonly used: Map<string, number>;
  readonly events: AutumnEvent[];
  readonly entities: Map<
    string,
    { readonly name: string; readonly featureId: string; readonly createdAt: number }
  >;
  readonly invoices: { readonly planId: string; readonly total: number; readonly createdAt: number }[];
  readonly idempotencyKeys: Set<string>;
}

/** An answer that is an error: what `autumn-js` makes an `AutumnError` of. */
export class AutumnRefusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface AutumnCatalog {
  readonly features: readonly AutumnFeature[];
  readonly plans: readonly AutumnPlan[];
}

/** What is to be known of a customer; what is undefined stays as it was. */
export interface CustomerFields {
  readonly name?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly fingerprint?: string | null | undefined;
  readonly stripeId?: string | null | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

const periodMs = 30 * 24 * 3_600_000;
const eventsMax = 10_000;

/** Who has which plan, and how much of it is used up. */
export class AutumnAccounts {
  readonly catalog: AutumnCatalog;
  readonly #accounts = new Map<string, AutumnAccount>();
  #nextId = 1;

  constructor(catalog: AutumnCatalog) {
    this.catalog = catalog;
  }

  newId(prefix: string): string {
    return `${prefix}_${this.#nextId++}`;
  }

  all(): AutumnAccount[] {
    return [...this.#accounts.values()];
  }

  get(id: string): AutumnAccount {
    const account = this.#accounts.get(id);
    if (account === undefined) throw new AutumnRefusal(404, "customer_not_found", `Customer ${id} not found`);
    this.#renew(account);
    return account;
  }

  /** Calls may name a customer that Autumn has not heard of: it is made then, with the default plan. */
  getOrCreate(id: string | undefined, fields: CustomerFields = {}): AutumnAccount {
    if (id === undefined || id === "")
      throw new AutumnRefusal(400, "invalid_inputs", "Customer ID is required");
    if (!this.#accounts.has(id)) {
      const account = emptyAccount(id);
      this.#accounts.set(id, account);
      this.#holdDefaults(account);
      update(account, fields);
    }
    return this.get(id);
  }

  update(id: string, fields: CustomerFields): AutumnAccount {
    const account = this.get(id);
    update(account, fields);
    return account;
  }

  delete(id: string): void {
    this.#accounts.delete(this.get(id).id);
  }

  plan(id: string | undefined): AutumnPlan {
    const plan = this.catalog.plans.find((each) => each.id === id);
    if (plan === undefined) throw new AutumnRefusal(404, "product_not_found", `Product ${id} not found`);
    return plan;
  }

  feature(id: string | undefined): AutumnFeature {
    const feature = this.catalog.features.find((each) => each.id === id);
    if (feature === undefined) throw new AutumnRefusal(404, "feature_not_found", `Feature ${id} not found`);
    return feature;
  }

  /** Gives a plan, in place of the one that it replaces, and bills it. */
  attach(account: AutumnAccount, plan: AutumnPlan): void {
    if (isHeld(account, plan))
      throw new AutumnRefusal(400, "product_already_attached", `Customer already has product ${plan.name}`);
    account.held = account.held.filter(
      (held) => held.plan.id !== plan.id && (plan.isAddOn === true || held.plan.isAddOn === true),
    );
    hold(account, plan);
    if (plan.isAddOn !== true) account.used.clear();
    if (plan.price !== undefined)
      account.invoices.push({ planId: plan.id, total: plan.price, createdAt: Date.now() });
  }

  /** Takes a plan away, at once or at the end of its period. */
  cancel(account: AutumnAccount, planId: string | undefined, immediately: boolean): void {
    const held = account.held.find(({ plan }) => plan.id === planId);
    if (held === undefined)
      throw new AutumnRefusal(404, "product_not_found", `Customer does not have product ${planId}`);
    held.canceledAt = Date.now();
    if (immediately) this.#end(account, held);
  }

  /** Which count a feature is taken from: its own, or that of a credit system in one of the customer's plans. */
  meter(account: AutumnAccount, featureId: string): { readonly featureId: string; readonly factor: number } {
    this.feature(featureId);
    const includes = (id: string) => account.held.some(({ plan }) => plan.includes[id] !== undefined);
    if (includes(featureId)) return { featureId, factor: 1 };
    for (const { id, credits } of this.catalog.features) {
      const cost = credits?.[featureId];
      if (cost !== undefined && includes(id)) return { featureId: id, factor: cost };
    }
    return { featureId, factor: 1 };
  }

  balance(account: AutumnAccount, featureId: string): { included: number; used: number; unlimited: boolean } {
    const parts = account.held.flatMap(({ plan }) => plan.includes[featureId] ?? []);
    const included = parts.reduce<number>((sum, part) => sum + (part === "inf" ? 0 : part), 0);
    return { included, used: account.used.get(featureId) ?? 0, unlimited: parts.includes("inf") };
  }

  /** Uses something up; a negative value gives it back. What is not there cannot be used. */
  track(
    account: AutumnAccount,
    featureId: string,
    value: number,
    properties: AutumnEvent["properties"],
  ): AutumnEvent {
    const meter = this.meter(account, featureId);
    const { included, used, unlimited } = this.balance(account, meter.featureId);
    const wanted = used + value * meter.factor;
    account.used.set(meter.featureId, Math.max(0, unlimited ? wanted : Math.min(included, wanted)));
    const event: AutumnEvent = {
      id: this.newId("evt"),
      timestamp: Date.now(),
      feature_id: featureId,
      customer_id: account.id,
      value,
      properties,
    };
    account.events.push(event);
    if (account.events.length > eventsMax) account.events.shift();
    return event;
  }

  /** A new period gives everything back and ends what was canceled. */
  #renew(account: AutumnAccount): void {
    const now = Date.now();
    for (const held of account.held) {
      if (now < held.periodEnd) continue;
      if (held.canceledAt !== null) {
        this.#end(account, held);
        continue;
      }
      for (const featureId of Object.keys(held.plan.includes)) account.used.delete(featureId);
      while (now >= held.periodEnd) held.periodEnd += periodMs;
    }
  }

  #end(account: AutumnAccount, held: Held): void {
    account.held = account.held.filter((each) => each !== held);
    if (held.plan.isAddOn !== true) this.#holdDefaults(account);
  }

  #holdDefaults(account: AutumnAccount): void {
    for (const plan of this.catalog.plans) if (plan.isDefault === true) hold(account, plan);
  }
}

/** A plan that has been canceled is not, though it lasts until its period ends. */
export function isHeld(account: AutumnAccount, { id }: AutumnPlan): boolean {
  return account.held.some(({ plan, canceledAt }) => plan.id === id && canceledAt === null);
}

/** The one that another plan would replace. */
export function mainPlanOf(account: AutumnAccount): AutumnPlan | undefined {
  return account.held.find(({ plan }) => plan.isAddOn !== true)?.plan;
}

function emptyAccount(id: string): AutumnAccount {
  return {
    id,
    createdAt: Date.now(),
    name: null,
    email: null,
    fingerprint: null,
    stripeId: null,
    metadata: {},
    hasPaymentMethod: false,
    held: [],
    used: new Map(),
    events: [],
    entities: new Map(),
    invoices: [],
    idempotencyKeys: new Set(),
  };
}

function hold(account: AutumnAccount, plan: AutumnPlan): void {
  const now = Date.now();
  account.held.push({ plan, startedAt: now, periodEnd: now + periodMs, canceledAt: null });
}

function update(account: AutumnAccount, fields: CustomerFields): void {
  for (const [name, value] of Object.entries(fields))
    if (value !== undefined) Object.assign(account, { [name]: value });
}
