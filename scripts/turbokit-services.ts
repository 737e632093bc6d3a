import { randomBytes } from "node:crypto";
import { answerWithTools } from "../packages/stand-ins/src/assistant.ts";
import { startAutumn } from "../packages/stand-ins/src/autumn.ts";
import type { AutumnCatalog } from "../packages/stand-ins/src/autumnAccounts.ts";
import { Clerk, type Person } from "../packages/stand-ins/src/clerk.ts";
import { startOpenAi } from "../packages/stand-ins/src/openAi.ts";
import { startPostHog } from "../packages/stand-ins/src/postHog.ts";
import { startResend } from "../packages/stand-ins/src/resend.ts";
import { startS3 } from "../packages/stand-ins/src/s3.ts";
import { Stripe } from "../packages/stand-ins/src/stripe.ts";

/*
 * The outside services of TurboKit, for its demo and its tests: the real one where a key is given, else a stand-in.
 */

export interface ServicesOptions {
  /** Keys of real services. */
  readonly given: Readonly<Record<string, string | undefined>>;
  /** Where the app's HTTP actions are, and its page. */
  readonly siteUrl: string;
  readonly pageUrl: string;
  readonly people: readonly Person[];
  /** Where uploaded files are kept; default: a temporary folder. */
  readonly filesFolder?: string;
  /** Between two words of an answer. */
  readonly pieceMs?: number;
}

/** What has to be set up with Autumn; the same terms as in the backend's `plans.ts`. */
export const turbokitCatalog: AutumnCatalog = {
  features: [{ id: "credits", name: "Credits", type: "single_use" }],
  plans: [
    { id: "free", name: "Free", isDefault: true, includes: { credits: 100 } },
    { id: "pro", name: "Pro", price: 20, includes: { credits: 2_000 } },
    { id: "enterprise", name: "Enterprise", price: 200, includes: { credits: 30_000 } },
  ],
};

interface Started {
  readonly options: ServicesOptions;
  readonly variables: Record<string, string>;
  readonly pageVariables: Record<string, string>;
  readonly egress: string[];
  readonly said: string[];
  readonly closers: (() => Promise<void>)[];
}

/** All of them, as the server and the page need to know them. */
export async function startServices(options: ServicesOptions) {
  const started: Started = {
    options,
    variables: { APP_URL: options.pageUrl },
    pageVariables: {},
    egress: [],
    said: [],
    closers: [],
  };
  const { variables, closers } = started;
  for (const name of ["ADMIN_EMAILS", "ONBOARDING_WAIT_MS"]) keep(started, name);
  const clerk = await signIn(started);
  const openAi = await model(started);
  const resend = await mail(started);
  const stripe = await payments(started);
  const autumn = await plans(started, stripe);
  const s3 = await files(started);
  const postHog = await analytics(started);
  return {
    clerk,
    openAi,
    resend,
    stripe,
    autumn,
    s3,
    postHog,
    variables,
    pageVariables: started.pageVariables as Readonly<Record<string, string>>,
    egress: started.egress as readonly string[],
    said: started.said as readonly string[],
    close: async () => {
      for (const close of closers.toReversed()) await close();
    },
  };
}

export type Services = Awaited<ReturnType<typeof startServices>>;

function keep({ options, variables }: Started, ...names: readonly string[]): void {
  for (const name of names) {
    const value = options.given[name];
    if (value !== undefined) variables[name] = value;
  }
}

function newSecret(): string {
  return `whsec_${randomBytes(24).toString("base64")}`;
}

async function signIn(started: Started): Promise<Clerk | null> {
  const { options, variables, pageVariables, closers, said } = started;
  const issuer = options.given["CLERK_JWT_ISSUER_DOMAIN"];
  if (issuer !== undefined) {
    keep(started, "CLERK_JWT_ISSUER_DOMAIN", "CLERK_WEBHOOK_SECRET");
    pageVariables["VITE_CLERK_JWT_ISSUER_DOMAIN"] = issuer;
    const clientId = options.given["CLERK_CLIENT_ID"];
    if (clientId !== undefined) pageVariables["VITE_CLERK_CLIENT_ID"] = clientId;
    return null;
  }
  const secret = newSecret();
  const webhook = { url: `${options.siteUrl}/webhooks/clerk`, secret };
  const clerk = await Clerk.start({ people: options.people, webhook });
  closers.push(() => clerk.close());
  variables["CLERK_JWT_ISSUER_DOMAIN"] = clerk.url;
  variables["CLERK_WEBHOOK_SECRET"] = secret;
  pageVariables["VITE_CLERK_JWT_ISSUER_DOMAIN"] = clerk.url;
  said.push("Clerk       CLERK_JWT_ISSUER_DOMAIN   a sign-in page where anybody can be anybody");
  return clerk;
}

async function model(started: Started) {
  const { options, variables, closers, said } = started;
  if (options.given["OPENROUTER_API_KEY"] !== undefined) {
    keep(started, "OPENROUTER_API_KEY", "OPENROUTER_MODEL", "OPENROUTER_BASE_URL");
    return null;
  }
  const openAi = await startOpenAi({ reply: answerWithTools, pieceMs: options.pieceMs ?? 40 });
  closers.push(() => openAi.close());
  variables["OPENROUTER_API_KEY"] = "stand-in";
  variables["OPENROUTER_BASE_URL"] = `${openAi.url}/v1`;
  said.push(
    "OpenRouter  OPENROUTER_API_KEY        a model that knows a few kinds of questions by their words",
  );
  return openAi;
}

async function mail(started: Started) {
  const { options, variables, egress, closers, said } = started;
  if (options.given["RESEND_API_KEY"] !== undefined) {
    keep(started, "RESEND_API_KEY", "RESEND_WEBHOOK_SECRET", "EMAIL_FROM");
    return null;
  }
  const secret = newSecret();
  const resend = await startResend(0, { url: `${options.siteUrl}/webhooks/resend`, secret });
  closers.push(async () => {
    await resend.webhooks.close();
    await resend.close();
  });
  variables["RESEND_API_KEY"] = "stand-in";
  variables["RESEND_WEBHOOK_SECRET"] = secret;
  egress.push(`https://api.resend.com=${resend.url}`);
  said.push(`Resend      RESEND_API_KEY            keeps mails: ${resend.url}/outbox`);
  return resend;
}

async function payments(started: Started): Promise<Stripe | null> {
  const { options, variables, egress, closers, said } = started;
  if (options.given["STRIPE_SECRET_KEY"] !== undefined) {
    keep(started, "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET");
    return null;
  }
  const secret = newSecret();
  const stripe = await Stripe.start({ webhook: { url: `${options.siteUrl}/webhooks/stripe`, secret } });
  closers.push(() => stripe.close());
  variables["STRIPE_SECRET_KEY"] = "sk_test_stand_in";
  variables["STRIPE_WEBHOOK_SECRET"] = secret;
  egress.push(`https://api.stripe.com=${stripe.url}`);
  said.push("Stripe      STRIPE_SECRET_KEY         a checkout where nothing is really paid");
  return stripe;
}

async function plans(started: Started, stripe: Stripe | null) {
  const { options, variables, closers, said } = started;
  if (options.given["AUTUMN_SECRET_KEY"] !== undefined) {
    keep(started, "AUTUMN_SECRET_KEY", "AUTUMN_URL");
    return null;
  }
  const autumn = await startAutumn({
    secretKey: "am_sk_stand_in",
    ...turbokitCatalog,
    ...(stripe === null ? {} : { stripe }),
  });
  closers.push(() => autumn.close());
  variables["AUTUMN_SECRET_KEY"] = "am_sk_stand_in";
  variables["AUTUMN_URL"] = autumn.url;
  said.push("Autumn      AUTUMN_SECRET_KEY         the plans Free, Pro and Enterprise");
  return autumn;
}

async function files(started: Started) {
  const { options, variables, closers, said } = started;
  if (options.given["R2_ACCESS_KEY_ID"] !== undefined) {
    keep(started, "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_BUCKET_NAME", "R2_ENDPOINT");
    return null;
  }
  const folder = options.filesFolder === undefined ? {} : { folder: options.filesFolder };
  const s3 = await startS3(folder);
  closers.push(() => s3.close());
  Object.assign(variables, {
    R2_ACCESS_KEY_ID: s3.accessKeyId,
    R2_SECRET_ACCESS_KEY: s3.secretAccessKey,
    R2_BUCKET_NAME: s3.bucket,
    R2_ENDPOINT: s3.url,
  });
  said.push("R2          R2_ACCESS_KEY_ID          an object store on this disk");
  return s3;
}

async function analytics(started: Started) {
  const { options, variables, closers, said } = started;
  if (options.given["POSTHOG_API_KEY"] !== undefined) {
    keep(started, "POSTHOG_API_KEY", "POSTHOG_HOST");
    return null;
  }
  const postHog = await startPostHog();
  closers.push(() => postHog.close());
  variables["POSTHOG_API_KEY"] = "phk_stand_in";
  variables["POSTHOG_HOST"] = postHog.url;
  said.push(`PostHog     POSTHOG_API_KEY           keeps events: ${postHog.url}/events`);
  return postHog;
}
