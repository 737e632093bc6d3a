import { fileURLToPath } from "node:url";
import { ConvexHttpClient } from "convex/browser";
import { pushApp } from "../../../../conformance/support/project.ts";
import { TestServer } from "../../../../conformance/support/server.ts";
import { type Mail, startResend } from "../../../../packages/stand-ins/src/resend.ts";

export const appFolder = fileURLToPath(new URL("../..", import.meta.url));
/** Of everybody in the tests. */
export const password = "correct horse battery";
const waitMs = 60_000;

/** Somebody who has signed up: a client with their token, and their session in Better Auth. */
export interface Somebody {
  readonly client: ConvexHttpClient;
  readonly cookie: string;
  readonly email: string;
}

/** A real server with the app's functions, and a catcher for the mails it sends. */
export class LiveServer {
  readonly server: TestServer;
  readonly #mails: Awaited<ReturnType<typeof startResend>>;
  #pageUrl = "http://127.0.0.1:4173";

  private constructor(server: TestServer, mails: Awaited<ReturnType<typeof startResend>>) {
    this.server = server;
    this.#mails = mails;
  }

  static async startWithApp(): Promise<LiveServer> {
    const mails = await startResend();
    const server = await TestServer.start({ args: ["--egress", `https://api.resend.com=${mails.url}`] });
    const live = new LiveServer(server, mails);
    try {
      await server.updateEnvironment({
        BETTER_AUTH_SECRET: "only the tests know this secret of theirs",
        RESEND_API_KEY: "re_test",
      });
      await live.servePageAt(live.#pageUrl);
      await pushApp(server, appFolder);
      return live;
    } catch (error) {
      await live.close();
      throw error;
    }
  }

  get url(): string {
    return this.server.url;
  }

  get siteUrl(): string {
    return this.server.siteUrl;
  }

  /** Where the page is: only from there one may sign in, and mails lead there. */
  async servePageAt(url: string): Promise<void> {
    this.#pageUrl = url;
    await this.server.updateEnvironment({ SITE_URL: url });
  }

  async close(): Promise<void> {
    await this.server.dispose();
    await this.#mails.close();
  }

  /** A request to Better Auth as the page sends it. */
  async auth(path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return await fetch(`${this.siteUrl}/api/auth${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", origin: this.#pageUrl, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "manual",
    });
  }

  /** The newest mail to an address with this in its subject; waits for it. */
  async mailTo(email: string, subject: string): Promise<Mail> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const found = this.#mails.outbox.findLast(
        (mail) => mail.to.includes(email) && mail.subject.includes(subject),
      );
      if (found !== undefined) return found;
      if (performance.now() > deadline)
        throw new Error(`no mail "${subject}" for ${email}\n${this.server.logs}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Somebody who has signed up and, unless told otherwise, confirmed the address. */
  async signUp(name: string, options: { email?: string; isConfirmed?: boolean } = {}): Promise<Somebody> {
    const email = options.email ?? `${name.toLowerCase().replace(/\W+/g, ".")}@example.com`;
    const somebody = await this.#enter("/sign-up/email", { name, email, password });
    if (options.isConfirmed !== false) await this.confirm(email);
    return somebody;
  }

  async signIn(email: string, as = password): Promise<Somebody> {
    return await this.#enter("/sign-in/email", { email, password: as });
  }

  /** Follows the link in the mail. */
  async confirm(email: string): Promise<Response> {
    const mail = await this.mailTo(email, "Confirm");
    return await fetch(linkIn(mail), { redirect: "manual" });
  }

  /** The client of somebody who has signed up. */
  async client(name: string, options: { email?: string } = {}): Promise<ConvexHttpClient> {
    return (await this.signUp(name, options)).client;
  }

  anonymous(): ConvexHttpClient {
    return new ConvexHttpClient(this.url);
  }

  async #enter(path: string, body: { email: string; password: string; name?: string }): Promise<Somebody> {
    const response = await this.auth(path, body);
    if (!response.ok)
      throw new Error(`${path}: ${response.status} ${await response.text()}\n${this.server.logs}`);
    const cookie = cookiesOf(response);
    const token = await this.auth("/convex/token", undefined, { cookie });
    const client = this.anonymous();
    client.setAuth(((await token.json()) as { token: string }).token);
    return { client, cookie, email: body.email };
  }
}

/** The address in a mail. */
export function linkIn(mail: Mail): string {
  const link = /https?:\/\/\S+/.exec(mail.text ?? "")?.[0];
  if (link === undefined) throw new Error(`no link in: ${mail.text}`);
  return link;
}

export function cookiesOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0] ?? "")
    .join("; ");
}
