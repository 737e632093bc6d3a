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
import type { WebhookTarget } from "../packages/stand-ins/src/webhooks.ts";

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

/**
 * The real service where the first of these variables is given, with what else is given of it; else a stand-in, which
 * is closed with the others.
 */
async function realOr<StandIn extends { close(): Promise<void> }>(
  started: Started,
  names: readonly [string, ...string[]],
  standIn: () => Promise<StandIn>,
): Promise<StandIn | null> {
  if (started.options.given[names[0]] !== undefined) {
    keep(started, ...names);
    return null;
  }
  const service = await standIn();
  started.closers.push(() => service.close());
  return service;
}

/** Where a stand-in tells the app of its events, signed with a secret that the app knows. */
function newWebhook({ options, variables }: Started, service: "clerk" | "resend" | "stripe"): WebhookTarget {
  const secret = `whsec_${randomBytes(24).toString("base64")}`;
  variables[`${service.toUpperCase()}_WEBHOOK_SECRET`] = secret;
  return { url: `${options.siteUrl}/webhooks/${service}`, secret };
}

async function signIn(started: Started): Promise<Clerk | null> {
  const { options, variables, pageVariables, said } = started;
  const names = ["CLERK_JWT_ISSUER_DOMAIN", "CLERK_WEBHOOK_SECRET"] as const;
  const clerk = await realOr(started, names, async () => {
    const service = await Clerk.start({ people: options.people, webhook: newWebhook(started, "clerk") });
    variables["CLERK_JWT_ISSUER_DOMAIN"] = service.url;
    said.push("Clerk       CLERK_JWT_ISSUER_DOMAIN   a sign-in page where anybody can be anybody");
    return service;
  });
  pageVariables["VITE_CLERK_JWT_ISSUER_DOMAIN"] = variables["CLERK_JWT_ISSUER_DOMAIN"] as string;
  const clientId = options.given["CLERK_CLIENT_ID"];
  if (clerk === null && clientId !== undefined) pageVariables["VITE_CLERK_CLIENT_ID"] = clientId;
  return clerk;
}

function model(started: Started) {
  const { options, variables, said } = started;
  const names = ["OPENROUTER_API_KEY", "OPENROUTER_MODEL", "OPENROUTER_BASE_URL"] as const;
  return realOr(started, names, async () => {
    const openAi = await startOpenAi({ reply: answerWithTools, pieceMs: options.pieceMs ?? 40 });
    variables["OPENROUTER_API_KEY"] = "stand-in";
    variables["OPENROUTER_BASE_URL"] = `${openAi.url}/v1`;
    said.push(
      "OpenRouter  OPENROUTER_API_KEY        a model that knows a few kinds of questions by their words",
    );
    return openAi;
  });
}

function mail(started: Started) {
  const { variables, egress, said } = started;
  const names = ["RESEND_API_KEY", "RESEND_WEBHOOK_SECRET", "EMAIL_FROM"] as const;
  return realOr(started, names, async () => {
    const resend = await startResend(0, newWebhook(started, "resend"));
    variables["RESEND_API_KEY"] = "stand-in";
    egress.push(`https://api.resend.com=${resend.url}`);
    said.push(`Resend      RESEND_API_KEY            keeps mails: ${resend.url}/outbox`);
    return resend;
  });
}

function payments(started: Started): Promise<Stripe | null> {
  const { variables, egress, said } = started;
  return realOr(started, ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"], async () => {
    const stripe = await Stripe.start({ webhook: newWebhook(started, "stripe") });
    variables["STRIPE_SECRET_KEY"] = "sk_test_stand_in";
    egress.push(`https://api.stripe.com=${stripe.url}`);
    said.push("Stripe      STRIPE_SECRET_KEY         a checkout where nothing is really paid");
    return stripe;
  });
}

function plans(started: Started, stripe: Stripe | null) {
  const { variables, said } = started;
  return realOr(started, ["AUTUMN_SECRET_KEY", "AUTUMN_URL"], async () => {
    const autumn = await startAutumn({
      secretKey: "am_sk_stand_in",
      ...turbokitCatalog,
      ...(stripe === null ? {} : { stripe }),
    });
    variables["AUTUMN_SECRET_KEY"] = "am_sk_stand_in";
    variables["AUTUMN_URL"] = autumn.url;
    said.push("Autumn      AUTUMN_SECRET_KEY         the plans Free, Pro and Enterprise");
    return autumn;
  });
}

function files(started: Started) {
  const { options, variables, said } = started;
  const names = ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_BUCKET_NAME", "R2_ENDPOINT"] as const;
  return realOr(started, names, async () => {
    const s3 = await startS3(options.filesFolder === undefined ? {} : { folder: options.filesFolder });
    Object.assign(variables, {
      R2_ACCESS_KEY_ID: s3.accessKeyId,
      R2_SECRET_ACCESS_KEY: s3.secretAccessKey,
      R2_BUCKET_NAME: s3.bucket,
      R2_ENDPOINT: s3.url,
    });
    said.push("R2          R2_ACCESS_KEY_ID          an object store on this disk");
    return s3;
  });
}

function analytics(started: Started) {
  const { variables, said } = started;
  return realOr(started, ["POSTHOG_API_KEY", "POSTHOG_HOST"], async () => {
    const postHog = await startPostHog();
    variables["POSTHOG_API_KEY"] = "phk_stand_in";
    variables["POSTHOG_HOST"] = postHog.url;
    said.push(`PostHog     POSTHOG_API_KEY           keeps events: ${postHog.url}/events`);
    return postHog;
  });
}
