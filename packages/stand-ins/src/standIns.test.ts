import { AwsClient } from "aws4fetch";
import { createRemoteJWKSet, jwtVerify } from "jose";
import StripeClient from "stripe";
import { Webhook } from "svix";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerWithTools } from "./assistant.ts";
import { startAutumn } from "./autumn.ts";
import { Clerk } from "./clerk.ts";
import { HeldAnswer } from "./heldAnswer.ts";
import { startOpenAi } from "./openAi.ts";
import { startPostHog } from "./postHog.ts";
import { startResend } from "./resend.ts";
import { startS3 } from "./s3.ts";
import { Service, type ServiceRequest } from "./service.ts";
import { Stripe } from "./stripe.ts";

/** Every stand-in is held to the client libraries of the service it stands in for. */

const secret = `whsec_${Buffer.from("secret of these tests").toString("base64")}`;

/** A webhook of an app: keeps what it is sent, and fails as often as it is told to. */
class Inbox {
  readonly requests: ServiceRequest[] = [];
  failures = 0;
  #service: Service | null = null;

  async start(): Promise<string> {
    this.#service = await Service.start((request) => {
      if (this.failures-- > 0) return { status: 503 };
      this.requests.push(request);
      return {};
    });
    return `${this.#service.url}/webhook`;
  }

  /** The events, each checked with Svix's own library. */
  verified(): { type: string; data: Record<string, unknown> }[] {
    return this.requests.map(
      ({ text, headers }) => new Webhook(secret).verify(text, headers as Record<string, string>) as never,
    );
  }

  async close(): Promise<void> {
    await this.#service?.close();
  }
}

describe("clerk", () => {
  const inbox = new Inbox();
  let clerk: Clerk;
  beforeAll(async () => {
    clerk = await Clerk.start({
      people: [{ email: "ada@example.com", name: "Ada Lovelace" }],
      webhook: { url: await inbox.start(), secret },
    });
  });
  afterAll(async () => {
    await clerk.close();
    await inbox.close();
  });
  const redirectUri = "http://127.0.0.1:1/back";
  const verifier = "v".repeat(50);

  async function authorizeUrl(changes: Record<string, string> = {}): Promise<string> {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const query = new URLSearchParams({
      client_id: "convex",
      response_type: "code",
      scope: "openid profile email",
      redirect_uri: redirectUri,
      state: "s1",
      nonce: "n1",
      code_challenge: Buffer.from(digest).toString("base64url"),
      code_challenge_method: "S256",
      ...changes,
    });
    return `${clerk.url}/oauth/authorize?${query.toString()}`;
  }

  async function codeFor(form: Record<string, string>): Promise<string> {
    const answer = await fetch(await authorizeUrl(), {
      method: "POST",
      body: new URLSearchParams(form),
      redirect: "manual",
    });
    const location = new URL(answer.headers.get("location") ?? "");
    expect(location.searchParams.get("state")).toBe("s1");
    return location.searchParams.get("code") ?? "";
  }

  async function exchange(form: Record<string, string>): Promise<Record<string, string>> {
    const body = new URLSearchParams({ client_id: "convex", ...form });
    const answer = await fetch(`${clerk.url}/oauth/token`, { method: "POST", body });
    return (await answer.json()) as Record<string, string>;
  }

  const withCode = (code: string) => ({
    grant_type: "authorization_code",
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
  });

  it("signs somebody in whose token its published keys verify", async () => {
    const page = await (await fetch(await authorizeUrl())).text();
    expect(page).toContain("Ada Lovelace");
    const tokens = await exchange(withCode(await codeFor({ email: "ada@example.com" })));
    const discovery = (await (await fetch(`${clerk.url}/.well-known/openid-configuration`)).json()) as {
      jwks_uri: string;
      issuer: string;
    };
    const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
    const check = { issuer: discovery.issuer, audience: "convex" };
    const { payload } = await jwtVerify(tokens["id_token"] ?? "", keys, check);
    expect(payload).toMatchObject({ email: "ada@example.com", name: "Ada Lovelace", nonce: "n1" });
    const again = await exchange({
      grant_type: "refresh_token",
      refresh_token: tokens["refresh_token"] ?? "",
    });
    expect((await jwtVerify(again["id_token"] ?? "", keys, check)).payload.sub).toBe(payload.sub);
    // A refresh token is good once.
    expect(
      await exchange({ grant_type: "refresh_token", refresh_token: tokens["refresh_token"] ?? "" }),
    ).toEqual({ error: "invalid_grant" });
  });

  it("refuses a code twice, another verifier, another address to go to, and requests without PKCE", async () => {
    const code = await codeFor({ email: "eve@example.com" });
    expect(await exchange(withCode(code))).toHaveProperty("id_token");
    expect(await exchange(withCode(code))).toEqual({ error: "invalid_grant" });
    const stolen = { ...withCode(await codeFor({ email: "eve@example.com" })), code_verifier: "other" };
    expect(await exchange(stolen)).toEqual({ error: "invalid_grant" });
    for (const changes of [
      { redirect_uri: "https://example.com/" },
      { code_challenge_method: "plain" },
      { client_id: "unknown" },
    ])
      expect((await fetch(await authorizeUrl(changes))).status).toBe(400);
  });

  it("tells the webhook of users, signed, and again until it listens", async () => {
    inbox.requests.length = 0;
    inbox.failures = 2;
    await clerk.idToken({ email: "grace@example.com", name: "Grace Hopper" });
    await clerk.update("grace@example.com", { name: "Rear Admiral Hopper" });
    await clerk.remove("grace@example.com");
    const events = inbox.verified();
    expect(events.map(({ type }) => type)).toEqual(["user.created", "user.updated", "user.deleted"]);
    expect(events[0]?.data).toMatchObject({ first_name: "Grace", last_name: "Hopper" });
    expect(new Set(events.map(({ data }) => data["id"])).size).toBe(1);
  });
});

describe("resend", () => {
  const inbox = new Inbox();
  let resend: Awaited<ReturnType<typeof startResend>>;
  beforeAll(async () => {
    resend = await startResend(0, { url: await inbox.start(), secret });
  });
  afterAll(async () => {
    await resend.close();
    await inbox.close();
  });

  it("takes a batch once and tells what became of each mail", async () => {
    const mail = (to: string) => ({
      from: "a@example.com",
      to: [to],
      subject: "Hello",
      html: "<p>Hello</p>",
    });
    const send = async () => {
      const answer = await fetch(`${resend.url}/emails/batch`, {
        method: "POST",
        headers: { authorization: "Bearer re_1", "idempotency-key": "k1" },
        body: JSON.stringify([mail("ben@example.com"), mail("bounced@example.com")]),
      });
      return await answer.json();
    };
    const first = await send();
    expect(await send()).toEqual(first);
    expect(resend.outbox).toHaveLength(2);
    await expect.poll(() => inbox.requests.length).toBe(4);
    expect(inbox.verified().map(({ type, data }) => [type, data["email_id"]])).toEqual([
      ["email.sent", "mail-1"],
      ["email.delivered", "mail-1"],
      ["email.sent", "mail-2"],
      ["email.bounced", "mail-2"],
    ]);
  });
});

describe("stripe", () => {
  const inbox = new Inbox();
  let stripe: Stripe;
  beforeAll(async () => {
    stripe = await Stripe.start({ webhook: { url: await inbox.start(), secret: "whsec_stripe" } });
  });
  afterAll(async () => {
    await stripe.close();
    await inbox.close();
  });

  it("lets its own client make a session, a person pay it, and its own client verify the event", async () => {
    const { hostname, port } = new URL(stripe.url);
    const client = new StripeClient("sk_test_1", { host: hostname, port, protocol: "http" });
    const session = await client.checkout.sessions.create({
      mode: "payment",
      line_items: [
        {
          quantity: 2,
          price_data: { currency: "eur", unit_amount: 1000, product_data: { name: "500 credits" } },
        },
      ],
      metadata: { userId: "u1" },
      client_reference_id: "u1",
      success_url: "http://127.0.0.1:1/?checkout=done",
      cancel_url: "http://127.0.0.1:1/?checkout=cancelled",
    });
    expect(session.amount_total).toBe(2000);
    expect(await (await fetch(session.url as string)).text()).toContain("€20.00");
    const paid = await fetch(session.url as string, { method: "POST", redirect: "manual" });
    expect(paid.headers.get("location")).toBe("http://127.0.0.1:1/?checkout=done");
    await expect.poll(() => inbox.requests.length).toBe(1);
    const { text, headers } = inbox.requests[0] as ServiceRequest;
    const event = client.webhooks.constructEvent(text, headers["stripe-signature"] as string, "whsec_stripe");
    expect(event.type).toBe("checkout.session.completed");
    expect(event.data.object).toMatchObject({ id: session.id, metadata: { userId: "u1" } });
    expect((await client.checkout.sessions.retrieve(session.id)).payment_status).toBe("paid");
    // Paying again is no second payment.
    await fetch(session.url as string, { method: "POST", redirect: "manual" });
    await stripe.pay(session.id);
    expect(inbox.requests).toHaveLength(1);
    await expect(client.checkout.sessions.retrieve("cs_none")).rejects.toThrow("No such checkout.session");
  });
});

describe("s3", () => {
  it("takes an upload with a signed URL from a page of any origin, and gives it back", async () => {
    const s3 = await startS3();
    const aws = new AwsClient({ ...s3, service: "s3", region: "auto" });
    const url = `${s3.url}/${s3.bucket}/some-key`;
    const signed = async (method: string) =>
      (await aws.sign(`${url}?X-Amz-Expires=900`, { method, aws: { signQuery: true } })).url;
    const origin = { origin: "http://127.0.0.1:1" };
    const put = await fetch(await signed("PUT"), { method: "PUT", body: "hello", headers: origin });
    expect([put.status, put.headers.get("access-control-allow-origin")]).toEqual([200, "*"]);
    expect(await (await fetch(await signed("GET"), { headers: origin })).text()).toBe("hello");
    await s3.close();
  });
});

describe("postHog", () => {
  it("keeps what it is sent, alone and in batches", async () => {
    const postHog = await startPostHog();
    const post = async (path: string, body: object) =>
      (await fetch(`${postHog.url}${path}`, { method: "POST", body: JSON.stringify(body) })).status;
    expect(await post("/capture/", { event: "a" })).toBe(401);
    await post("/capture/", { api_key: "phk", event: "a", distinct_id: "u1" });
    await post("/batch/", {
      api_key: "phk",
      batch: [{ event: "b", properties: { distinct_id: "u2", plan: "pro" } }],
    });
    expect(postHog.events.map(({ event, distinctId }) => [event, distinctId])).toEqual([
      ["a", "u1"],
      ["b", "u2"],
    ]);
    await postHog.close();
  });
});

describe("autumn on top of stripe", () => {
  it("has a plan as soon as stripe's checkout is paid, and stripe tells the app whose it is", async () => {
    const inbox = new Inbox();
    const stripe = await Stripe.start({ webhook: { url: await inbox.start(), secret: "whsec_stripe" } });
    const plans = [
      { id: "free", name: "Free", isDefault: true, includes: {} },
      { id: "pro", name: "Pro", price: 20, includes: {} },
    ];
    const autumn = await startAutumn({ secretKey: "am", features: [], plans, stripe });
    const answer = await fetch(`${autumn.url}/checkout`, {
      method: "POST",
      headers: { authorization: "Bearer am" },
      body: JSON.stringify({
        customer_id: "u1",
        product_id: "pro",
        success_url: "http://127.0.0.1:1/",
        checkout_session_params: { metadata: { userId: "u1", plan: "pro" } },
      }),
    });
    const { url } = (await answer.json()) as { url: string };
    expect(await (await fetch(url)).text()).toContain("$20.00");
    const held = () => autumn.accounts.get("u1").held.map(({ plan }) => plan.id);
    expect(held()).toEqual(["free"]);
    await stripe.pay(stripe.sessions[0]?.id ?? "");
    expect(held()).toEqual(["pro"]);
    const events = inbox.requests.map(({ text }) => JSON.parse(text) as { type: string; data: object });
    expect(events.map(({ type }) => type)).toEqual([
      "checkout.session.completed",
      "customer.subscription.created",
    ]);
    expect(events[0]?.data).toMatchObject({ object: { metadata: { userId: "u1", plan: "pro" } } });
    await autumn.close();
    await stripe.close();
    await inbox.close();
  });
});

describe("the assistant", () => {
  const tools = ["searchProjects", "createProject", "getUsage"].map((name) => ({ function: { name } }));
  const asked = (content: string) =>
    answerWithTools({ model: "m", tools, messages: [{ role: "user", content }] });
  const told = (content: string) =>
    answerWithTools({
      model: "m",
      tools,
      messages: [
        { role: "user", content: "?" },
        { role: "tool", content },
      ],
    });

  it("calls the tool that a question is for", () => {
    expect(asked("Which of my projects are about the launch?")).toEqual({
      tool: "searchProjects",
      args: { query: "launch" },
    });
    expect(asked("Create a draft project called “Spring launch”")).toEqual({
      tool: "createProject",
      args: { name: "Spring launch" },
    });
    expect(asked("How many credits do I have left?")).toEqual({ tool: "getUsage", args: {} });
    expect(asked("Good morning")).toHaveProperty("text");
  });

  it("tells what came of it", () => {
    expect(told('[{"name":"Spring launch","status":"active"}]')).toEqual({
      text: "I have found one: **Spring launch** (active).",
    });
    expect(told("[]")).toEqual({ text: "I have found nothing by that name." });
    expect(told('{"plan":"free","credits":97}')).toHaveProperty(
      "text",
      "You are on the free plan, and you have **97 credits** left.",
    );
    expect(told("Made it.")).toEqual({ text: "Made it." });
  });
});

describe("a model whose answer is held", () => {
  it("says what it is let say, to each who asks from the beginning, until it ends", async () => {
    const held = new HeldAnswer();
    const model = await startOpenAi({ reply: () => ({ pieces: held.pieces() }) });
    try {
      const ask = async (stream: boolean) =>
        await fetch(`${model.url}/v1/chat/completions`, {
          method: "POST",
          body: JSON.stringify({ model: "held", stream, messages: [{ role: "user", content: "?" }] }),
        });
      held.say("one ");
      const stream = ((await ask(true)).body ?? new ReadableStream()).pipeThrough(new TextDecoderStream());
      let text = "";
      for await (const piece of stream) {
        text += piece;
        // It goes on only when it is told to: what comes after has not been said yet.
        if (text.includes("one ") && !text.includes("two")) {
          held.say("two");
          held.end();
        }
      }
      expect(text.indexOf('"content":"one "')).toBeLessThan(text.indexOf('"content":"two"'));
      expect(text.trimEnd()).toMatch(/"completion_tokens":2[^]*\[DONE\]$/);
      expect(await (await ask(false)).json()).toMatchObject({
        choices: [{ message: { content: "one two" }, finish_reason: "stop" }],
        usage: { completion_tokens: 2 },
      });
    } finally {
      await model.close();
    }
  });
});
