import { createHash, randomBytes } from "node:crypto";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { avatarOf } from "./avatar.ts";
import { escapeHtml, htmlPage } from "./htmlPage.ts";
import { Service, type ServiceAnswer, type ServiceRequest } from "./service.ts";
import { Deliveries, svixHeaders, type WebhookTarget } from "./webhooks.ts";

export interface Person {
  readonly email: string;
  readonly name: string;
  readonly picture?: string;
}

export interface ClerkOptions {
  readonly port?: number;
  /** Who can be chosen on the sign-in page. Any other address can be typed in. */
  readonly people?: readonly Person[];
  /** The audience of the id tokens. */
  readonly clientId?: string;
  /** Where events about users go. May be set later: `clerk.webhooks.target`. */
  readonly webhook?: WebhookTarget;
  /** How long an id token is valid. */
  readonly tokenS?: number;
}

type Account = Required<Person> & { readonly sub: string; readonly createdAtMs: number };

/** What was asked for at the sign-in page and is kept with the code. */
interface Authorization {
  readonly sub: string;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string | null;
  readonly expiresAtMs: number;
}

interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

const codeLifetimeMs = 60_000;
const accountsMax = 10_000;
const grantsMax = 10_000;

/**
 * Sign-in in Clerk's style: an OpenID Connect provider (authorization code with PKCE, for public clients) with a page on
 * which anybody can be anybody, and signed webhooks about users. Redirects go to this machine only.
 */
export class Clerk {
  readonly service: Service;
  readonly webhooks: Deliveries;
  readonly #options: ClerkOptions;
  readonly #key: SigningKey;
  readonly #accounts = new Map<string, Account>();
  readonly #codes = new Map<string, Authorization>();
  readonly #refreshTokens = new Map<string, string>();

  private constructor(service: Service, options: ClerkOptions, key: SigningKey) {
    this.service = service;
    this.webhooks = new Deliveries(svixHeaders, options.webhook);
    this.#options = options;
    this.#key = key;
  }

  static async start(options: ClerkOptions = {}): Promise<Clerk> {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const kid = randomBytes(8).toString("hex");
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" };
    let clerk: Clerk | null = null;
    const service = await Service.start(
      (request) => clerk?.answer(request) ?? { status: 503, body: "Starting" },
      options.port,
    );
    clerk = new Clerk(service, options, { privateKey, jwk });
    return clerk;
  }

  /** The issuer. */
  get url(): string {
    return this.service.url;
  }

  get clientId(): string {
    return this.#options.clientId ?? "convex";
  }

  /** An id token without the detour over the page. Somebody new is announced to the webhook first. */
  async idToken(person: Person): Promise<string> {
    return await this.#tokenOf(await this.#signUp(person), null);
  }

  /** They changed their name or picture. */
  async update(email: string, changes: Partial<Pick<Person, "name" | "picture">>): Promise<void> {
    const account = { ...this.#known(email), ...changes };
    this.#accounts.set(account.sub, account);
    await this.webhooks.send(event("user.updated", userOf(account)));
  }

  /** They deleted their account. */
  async remove(email: string): Promise<void> {
    const { sub } = this.#known(email);
    this.#accounts.delete(sub);
    await this.webhooks.send(event("user.deleted", { id: sub, object: "user", deleted: true }));
  }

  async close(): Promise<void> {
    await this.webhooks.close();
    await this.service.close();
  }

  async answer(request: ServiceRequest): Promise<ServiceAnswer> {
    const { method, path } = request;
    switch (`${method} ${path}`) {
      case "GET /.well-known/openid-configuration":
        return allowed({ body: this.#configuration() });
      case "GET /.well-known/jwks.json":
        return allowed({ body: { keys: [this.#key.jwk] } });
      case "GET /oauth/authorize":
        return this.#signInPage(request.query);
      case "POST /oauth/authorize":
        return await this.#authorize(request.query, new URLSearchParams(request.text));
      case "POST /oauth/token":
        return allowed(await this.#exchange(new URLSearchParams(request.text)));
      case "GET /picture.svg":
        return avatarOf(request.query.get("name") ?? "");
      default:
        return { status: 404, body: `There is no ${method} ${path}` };
    }
  }

  #configuration(): object {
    const { url } = this;
    return {
      issuer: url,
      authorization_endpoint: `${url}/oauth/authorize`,
      token_endpoint: `${url}/oauth/token`,
      jwks_uri: `${url}/.well-known/jwks.json`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      scopes_supported: ["openid", "profile", "email", "offline_access"],
      token_endpoint_auth_methods_supported: ["none"],
      code_challenge_methods_supported: ["S256"],
      claims_supported: ["sub", "email", "email_verified", "name", "picture"],
    };
  }

  /** What is wrong with a request to sign in; null if nothing. */
  #faultOf(query: URLSearchParams): string | null {
    if (query.get("client_id") !== this.clientId) return "unknown client_id";
    if (query.get("response_type") !== "code") return "response_type must be code";
    if (query.get("code_challenge_method") !== "S256" || !query.get("code_challenge"))
      return "PKCE with S256 is required";
    const redirectUri = URL.parse(query.get("redirect_uri") ?? "");
    if (redirectUri === null || !["127.0.0.1", "localhost"].includes(redirectUri.hostname))
      return "redirect_uri must be on this machine";
    return null;
  }

  #signInPage(query: URLSearchParams): ServiceAnswer {
    const fault = this.#faultOf(query);
    if (fault !== null)
      return htmlPage("Cannot sign in", `<h1>Cannot sign in</h1><p>${escapeHtml(fault)}</p>`, 400);
    const people = (this.#options.people ?? []).map(
      ({ email, name, picture = this.#pictureOf(name) }) => `
        <li><button class="person" name="email" value="${escapeHtml(email)}" formnovalidate>
          <img src="${escapeHtml(picture)}" alt="" />
          <span><strong>${escapeHtml(name)}</strong><small>${escapeHtml(email)}</small></span>
        </button></li>`,
    );
    return htmlPage(
      "Sign in",
      `<h1>Sign in</h1>
       ${people.length === 0 ? "" : `<form method="post"><ul>${people.join("")}</ul></form><hr />`}
       <form method="post">
         <label>E-mail <input type="email" name="email" required autocomplete="email" /></label>
         <label>Name <input name="name" autocomplete="name" placeholder="only when you are new" maxlength="100" /></label>
         <button class="primary">Continue</button>
       </form>
       <small>A local stand-in for Clerk: nobody asks who you really are.</small>`,
    );
  }

  async #authorize(query: URLSearchParams, form: URLSearchParams): Promise<ServiceAnswer> {
    if (this.#faultOf(query) !== null) return this.#signInPage(query);
    const email = (form.get("email") ?? "").trim().toLowerCase();
    if (!/^[^@\s]+@[^@\s]+$/.test(email)) return this.#signInPage(query);
    const given = (form.get("name") ?? "").trim();
    const listed = this.#options.people?.find((person) => person.email === email);
    const account = await this.#signUp({ email, name: given, ...listed });
    const redirect = new URL(query.get("redirect_uri") as string);
    const code = randomBytes(24).toString("base64url");
    for (const [old, { expiresAtMs }] of this.#codes) if (expiresAtMs < Date.now()) this.#codes.delete(old);
    this.#codes.set(code, {
      sub: account.sub,
      redirectUri: query.get("redirect_uri") as string,
      challenge: query.get("code_challenge") as string,
      nonce: query.get("nonce"),
      expiresAtMs: Date.now() + codeLifetimeMs,
    });
    redirect.searchParams.set("code", code);
    redirect.searchParams.set("state", query.get("state") ?? "");
    redirect.searchParams.set("iss", this.url);
    return { status: 303, headers: { location: redirect.href } };
  }

  async #exchange(form: URLSearchParams): Promise<ServiceAnswer> {
    const refused = (error: string) => ({ status: 400, body: { error } });
    if (form.get("client_id") !== this.clientId) return refused("invalid_client");
    if (form.get("grant_type") === "refresh_token") {
      const token = form.get("refresh_token") ?? "";
      const account = this.#accounts.get(this.#refreshTokens.get(token) ?? "");
      // It is good for one use: the answer has the next one.
      this.#refreshTokens.delete(token);
      return account === undefined ? refused("invalid_grant") : await this.#grant(account, null);
    }
    if (form.get("grant_type") !== "authorization_code") return refused("unsupported_grant_type");
    const code = form.get("code") ?? "";
    const authorization = this.#codes.get(code);
    this.#codes.delete(code);
    if (authorization === undefined || authorization.expiresAtMs < Date.now())
      return refused("invalid_grant");
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (challenge !== authorization.challenge || form.get("redirect_uri") !== authorization.redirectUri)
      return refused("invalid_grant");
    const account = this.#accounts.get(authorization.sub);
    return account === undefined ? refused("invalid_grant") : await this.#grant(account, authorization.nonce);
  }

  async #grant(account: Account, nonce: string | null): Promise<ServiceAnswer> {
    const refreshToken = randomBytes(32).toString("base64url");
    this.#refreshTokens.set(refreshToken, account.sub);
    const [oldest] = this.#refreshTokens.keys();
    if (this.#refreshTokens.size > grantsMax && oldest !== undefined) this.#refreshTokens.delete(oldest);
    return {
      headers: { "cache-control": "no-store" },
      body: {
        token_type: "Bearer",
        expires_in: this.#tokenS,
        access_token: randomBytes(24).toString("base64url"),
        refresh_token: refreshToken,
        id_token: await this.#tokenOf(account, nonce),
      },
    };
  }

  get #tokenS(): number {
    return this.#options.tokenS ?? 3600;
  }

  async #tokenOf({ sub, email, name, picture }: Account, nonce: string | null): Promise<string> {
    const claims = { email, email_verified: true, name, picture, ...(nonce === null ? {} : { nonce }) };
    const { privateKey, jwk } = this.#key;
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", kid: jwk.kid as string, typ: "JWT" })
      .setIssuer(this.url)
      .setAudience(this.clientId)
      .setSubject(sub)
      .setIssuedAt()
      .setExpirationTime(`${this.#tokenS}s`)
      .sign(privateKey);
  }

  async #signUp({ email, name, picture }: Person): Promise<Account> {
    const sub = subjectOf(email);
    const known = this.#accounts.get(sub);
    if (known !== undefined) return known;
    if (this.#accounts.size >= accountsMax) throw new Error(`There are ${accountsMax} accounts already.`);
    const shownName = name === "" ? nameFrom(email) : name;
    const account: Account = {
      sub,
      email,
      name: shownName,
      picture: picture ?? this.#pictureOf(shownName),
      createdAtMs: Date.now(),
    };
    this.#accounts.set(sub, account);
    // Not waited for, as with Clerk: the browser may be back before the webhook has been called.
    void this.webhooks.send(event("user.created", userOf(account)));
    return account;
  }

  #pictureOf(name: string): string {
    return `${this.url}/picture.svg?name=${encodeURIComponent(name)}`;
  }

  #known(email: string): Account {
    const account = this.#accounts.get(subjectOf(email));
    if (account === undefined) throw new Error(`${email} has never signed in`);
    return account;
  }
}

/** The same person has the same subject also after a restart of the stand-in. */
function subjectOf(email: string): string {
  return `user_${createHash("sha256").update(email).digest("hex").slice(0, 27)}`;
}

function nameFrom(email: string): string {
  const words = (email.split("@")[0] ?? "").split(/[._+-]+/).filter((word) => word !== "");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}

function event(type: string, data: object): object {
  return { data, object: "event", type, timestamp: Date.now(), instance_id: "ins_stand_in" };
}

/** A user as Clerk's webhooks describe one. */
function userOf({ sub, email, name, picture, createdAtMs }: Account): object {
  const [first = "", ...rest] = name.split(" ");
  const emailId = `idn_${sub.slice(5)}`;
  return {
    id: sub,
    object: "user",
    first_name: first,
    last_name: rest.length === 0 ? null : rest.join(" "),
    image_url: picture,
    has_image: true,
    primary_email_address_id: emailId,
    email_addresses: [
      { id: emailId, object: "email_address", email_address: email, verification: { status: "verified" } },
    ],
    created_at: createdAtMs,
    updated_at: Date.now(),
  };
}

/** Pages of other origins may read it. */
function allowed(answer: ServiceAnswer): ServiceAnswer {
  return { ...answer, headers: { ...answer.headers, "access-control-allow-origin": "*" } };
}
