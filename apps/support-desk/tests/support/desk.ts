import path from "node:path";
import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { vi } from "vitest";
import { eventually as waitUntilSeen, type Look } from "../../../../conformance/support/until.ts";
import { pushApp, runConvex } from "../../../../conformance/support/project.ts";
import { TestServer } from "../../../../conformance/support/server.ts";
import {
  type ChatReply,
  type ChatRequest,
  quoteBest,
  startOpenAi,
} from "../../../../packages/stand-ins/src/openAi.ts";
import { startResend } from "../../../../packages/stand-ins/src/resend.ts";
import { startTwilio } from "../../../../packages/stand-ins/src/twilio.ts";
import { api } from "../../packages/convex/_generated/api.js";
import type { Id } from "../../packages/convex/_generated/dataModel.js";

export const appFolder = fileURLToPath(new URL("../..", import.meta.url));
const convexFolder = path.join(appFolder, "packages/convex");
export const twilioAccount = { accountSid: `AC${"1".repeat(32)}`, authToken: "token of the tests" };

/** A signed-in person with a client. */
export interface Person {
  readonly client: ConvexHttpClient;
  readonly token: string;
  readonly refreshToken: string;
  readonly email: string;
}

/** A real server with the desk's functions, seeded, and stand-ins for everything outside. */
export class DeskServer {
  readonly server: TestServer;
  readonly mail: Awaited<ReturnType<typeof startResend>>;
  readonly twilio: Awaited<ReturnType<typeof startTwilio>>;
  /** What the model says; a test may put another one in place. */
  reply: (request: ChatRequest) => ChatReply = quoteBest;
  readonly #openAi: Awaited<ReturnType<typeof startOpenAi>>;

  private constructor(
    server: TestServer,
    mail: DeskServer["mail"],
    twilio: DeskServer["twilio"],
    openAi: (reply: (request: ChatRequest) => ChatReply) => Awaited<ReturnType<typeof startOpenAi>>,
  ) {
    this.server = server;
    this.mail = mail;
    this.twilio = twilio;
    this.#openAi = openAi((request) => this.reply(request));
  }

  static async start(): Promise<DeskServer> {
    let answer: (request: ChatRequest) => ChatReply = quoteBest;
    const openAi = await startOpenAi({ reply: (request) => answer(request), pieceMs: 1 });
    const [mail, twilio] = await Promise.all([startResend(), startTwilio(twilioAccount)]);
    // Addresses that Twilio itself gives are not to be configured: the server takes them to the stand-in.
    const server = await TestServer.start({ args: ["--egress", `https://api.twilio.com=${twilio.url}`] });
    const desk = new DeskServer(server, mail, twilio, (reply) => {
      answer = reply;
      return openAi;
    });
    await server.updateEnvironment({
      JWT_SECRET: "secret of the tests",
      ADMIN_EMAILS: "admin@example.com",
      RATE_LIMIT_IP_SHARE: "50",
      OPENAI_BASE_URL: `${openAi.url}/v1`,
      RESEND_BASE_URL: mail.url,
      RESEND_API_KEY: "stand-in",
      TWILIO_ACCOUNT_SID: twilioAccount.accountSid,
      TWILIO_AUTH_TOKEN: twilioAccount.authToken,
      TWILIO_FROM: "+15005550006",
    });
    await pushApp(server, convexFolder);
    await server.call("seed/demo:fill");
    return desk;
  }

  /** Runs the official CLI on the desk's package. */
  async convex(...args: string[]): Promise<string> {
    return await runConvex(this.server, convexFolder, ...args);
  }

  client(): ConvexHttpClient {
    return new ConvexHttpClient(this.server.url, { logger: false });
  }

  /** Somebody new, through the same door as in the chat. */
  async customer(name: string, email = `${name.toLowerCase()}-${counter++}@example.com`): Promise<Person> {
    const client = this.client();
    const answer = await client.mutation(api.users.createUser, { name, email });
    if (answer.status !== "created") throw new Error(`${email} has an account already`);
    // Mails may overtake each other: the code of this one must not be taken for that of a later one.
    await this.codeFor(email);
    return { client, email, ...answer.session };
  }

  /** Signs in with the code from the mail. */
  async signIn(email: string): Promise<Person> {
    const client = this.client();
    const before = this.mail.outbox.length;
    await client.mutation(api.auth.requestCode, { email });
    const code = await this.codeFor(email, before);
    const signedIn = await client.mutation(api.auth.createSession, { email, code });
    if (signedIn === null) throw new Error(`the code ${code} for ${email} was refused`);
    return { client, email, ...signedIn.session };
  }

  async codeFor(email: string, from = 0): Promise<string> {
    return await eventually(() => {
      const mail = this.mail.outbox.slice(from).findLast(({ to }) => to.includes(email));
      return /^\d{6}/.exec(mail?.subject ?? "")?.[0];
    });
  }

  /** What has been said in a conversation, without notices: "customer: ...", "bot: ...". */
  async said(person: Person, conversationId: Id<"conversations">): Promise<string[]> {
    const messages = await person.client.query(api.messages.subscribeToMessages, {
      token: person.token,
      conversationId,
    });
    return messages
      .filter(({ author, state }) => author !== "system" && state !== "pending")
      .map(({ author, content }) => `${author}: ${content}`);
  }

  async close(): Promise<void> {
    await this.server.dispose();
    await Promise.all([this.mail.close(), this.twilio.close(), this.#openAi.close()]);
  }
}

/** A real server, a push and several services: on a busy machine that takes a while. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let counter = 1;

/** Waits until there is something to see; the answer of a background job, say. */
export function eventually<T>(look: Look<T>, timeoutMs = 60_000): Promise<T> {
  return waitUntilSeen(look, { timeoutMs });
}
