import { fileURLToPath } from "node:url";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { eventually } from "../../../../conformance/support/until.ts";
import { pushApp, runConvex } from "../../../../conformance/support/project.ts";
import { TestServer } from "../../../../conformance/support/server.ts";
import { startAutumn } from "../../../../packages/stand-ins/src/autumn.ts";
import { Clerk } from "../../../../packages/stand-ins/src/clerk.ts";
import { type ChatReply, type ChatRequest, startOpenAi } from "../../../../packages/stand-ins/src/openAi.ts";
import { startPostHog } from "../../../../packages/stand-ins/src/postHog.ts";
import { startResend } from "../../../../packages/stand-ins/src/resend.ts";
import { startS3 } from "../../../../packages/stand-ins/src/s3.ts";
import { Stripe } from "../../../../packages/stand-ins/src/stripe.ts";
import { stripeHeaders, svixHeaders } from "../../../../packages/stand-ins/src/webhooks.ts";
import { turbokitCatalog } from "../../../../scripts/turbokit-services.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import type { Doc, Id } from "../../packages/backend/convex/_generated/dataModel.js";

export const backendFolder = fileURLToPath(new URL("../../packages/backend", import.meta.url));

const secretOf = (name: string) =>
  `whsec_${Buffer.from(`secret of ${name} in the tests`).toString("base64")}`;
/** With what the services sign. */
export const webhookSecrets = {
  clerk: secretOf("clerk"),
  resend: secretOf("resend"),
  stripe: secretOf("stripe"),
};
const autumnKey = "am_sk_test";

/** A signed-in person with a client of their own. */
export interface Person {
  readonly client: ConvexHttpClient;
  readonly id: Id<"users">;
  readonly email: string;
  readonly token: string;
}

/** A real server with the backend, pushed by the official CLI, and stand-ins for everything outside. */
export class TurboServer {
  readonly server: TestServer;
  readonly clerk: Clerk;
  readonly mail: Awaited<ReturnType<typeof startResend>>;
  readonly stripe: Stripe;
  readonly autumn: Awaited<ReturnType<typeof startAutumn>>;
  readonly postHog: Awaited<ReturnType<typeof startPostHog>>;
  /** What the model says; a test may put another one in place. */
  reply: (request: ChatRequest) => ChatReply | Promise<ChatReply> = echo;
  readonly #services: { close(): Promise<void> }[];
  #people = 0;

  private constructor(
    parts: Pick<TurboServer, "server" | "clerk" | "mail" | "stripe" | "autumn" | "postHog">,
  ) {
    this.server = parts.server;
    this.clerk = parts.clerk;
    this.mail = parts.mail;
    this.stripe = parts.stripe;
    this.autumn = parts.autumn;
    this.postHog = parts.postHog;
    this.#services = [parts.clerk, parts.mail, parts.stripe, parts.autumn, parts.postHog];
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<TurboServer> {
    let turbo: TurboServer | null = null;
    const answer = (request: ChatRequest) => (turbo === null ? echo(request) : turbo.reply(request));
    const [clerk, mail, stripe, autumn, postHog, s3, openAi] = await Promise.all([
      Clerk.start(),
      startResend(),
      Stripe.start(),
      startAutumn({ secretKey: autumnKey, ...turbokitCatalog }),
      startPostHog(),
      startS3({ bucket: "turbokit" }),
      startOpenAi({ reply: answer, pieceMs: 1 }),
    ]);
    const egress = [`https://api.resend.com=${mail.url}`, `https://api.stripe.com=${stripe.url}`];
    const server = await TestServer.start({ args: egress.flatMap((rule) => ["--egress", rule]) });
    turbo = new TurboServer({ server, clerk, mail, stripe, autumn, postHog });
    turbo.#services.push(s3, openAi);
    await server.updateEnvironment({
      CLERK_JWT_ISSUER_DOMAIN: clerk.url,
      CLERK_WEBHOOK_SECRET: webhookSecrets.clerk,
      OPENROUTER_API_KEY: "or_test",
      OPENROUTER_MODEL: "stand-in",
      OPENROUTER_BASE_URL: `${openAi.url}/v1`,
      RESEND_API_KEY: "re_test",
      RESEND_WEBHOOK_SECRET: webhookSecrets.resend,
      AUTUMN_SECRET_KEY: autumnKey,
      AUTUMN_URL: autumn.url,
      STRIPE_SECRET_KEY: "sk_test_1",
      STRIPE_WEBHOOK_SECRET: webhookSecrets.stripe,
      R2_ACCESS_KEY_ID: s3.accessKeyId,
      R2_SECRET_ACCESS_KEY: s3.secretAccessKey,
      R2_BUCKET_NAME: s3.bucket,
      R2_ENDPOINT: s3.url,
      POSTHOG_API_KEY: "phk_test",
      POSTHOG_HOST: postHog.url,
      ADMIN_EMAILS: "admin@example.com",
      ...env,
    });
    await pushApp(server, backendFolder);
    return turbo;
  }

  /** Runs the official CLI on the backend. */
  async convex(...args: string[]): Promise<string> {
    return await runConvex(this.server, backendFolder, ...args);
  }

  client(token?: string): ConvexHttpClient {
    const client = new ConvexHttpClient(this.server.url, { logger: false });
    if (token !== undefined) client.setAuth(token);
    return client;
  }

  /** A client with a WebSocket. */
  liveClient(token: string): ConvexClient {
    const client = new ConvexClient(this.server.url, { logger: false });
    client.setAuth(() => Promise.resolve(token));
    return client;
  }

  /** Somebody signs in, as on the page; somebody new without an address. */
  async signIn(name: string, email = `${name.toLowerCase()}-${++this.#people}@example.com`): Promise<Person> {
    const token = await this.clerk.idToken({ email, name });
    const client = this.client(token);
    return { client, token, email, id: await client.mutation(api.users.ensure, {}) };
  }

  /** Somebody who has been welcomed: onboarding waits for their profile, their credits are there. */
  async welcomed(name: string, email?: string): Promise<Person> {
    const person = await this.signIn(name, email);
    const state = await eventually(async () => {
      const { state: now } = await this.onboarding(person);
      return now === "running" ? null : now;
    });
    if (state !== "waiting") throw new Error(`${name} was not welcomed: ${state}\n${this.server.logs}`);
    return person;
  }

  async onboarding({ client }: Person): Promise<Pick<Doc<"onboardings">, "state" | "steps" | "workflowId">> {
    const onboarding = await client.query(api.users.onboarding, {});
    if (onboarding === null) throw new Error("nobody is onboarded");
    return onboarding;
  }

  /** Posts a delivery of a webhook, signed as the service does it. */
  async deliver(
    service: "clerk" | "resend" | "stripe",
    event: object,
    options: {
      readonly id?: string;
      readonly at?: Date;
      readonly secret?: string;
      readonly body?: string;
    } = {},
  ): Promise<number> {
    const { secret = webhookSecrets[service], at = new Date(), id } = options;
    const text = JSON.stringify(event);
    const signed =
      service === "stripe"
        ? stripeHeaders(secret, text, { at })
        : svixHeaders(secret, text, { at, ...(id === undefined ? {} : { id }) });
    const response = await fetch(`${this.server.siteUrl}/webhooks/${service}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...signed },
      body: options.body ?? text,
    });
    await response.body?.cancel();
    return response.status;
  }

  async close(): Promise<void> {
    await this.server.dispose();
    await Promise.all(this.#services.map((service) => service.close()));
  }
}

function echo({ messages }: ChatRequest): ChatReply {
  const last = messages.findLast(({ role }) => role === "user")?.content;
  return { text: `You said: ${typeof last === "string" ? last : JSON.stringify(last)}` };
}
