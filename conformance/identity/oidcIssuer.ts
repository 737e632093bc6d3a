import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { type Context, Provider } from "oidc-provider";

export interface Account {
  readonly sub: string;
  readonly [claim: string]: unknown;
}

interface IssuerOptions {
  /** Of its id tokens, in seconds. */
  readonly lifetimeS?: number;
  /** Client ids. */
  readonly applications?: readonly string[];
}

const redirectsMax = 10;
const redirectUri = "http://127.0.0.1:1/done";

/**
 * A running `oidc-provider`. A user is logged in with the authorization code flow, as browsers do, except that nobody
 * has to type a name. Its keys can be changed, it can be slow, and it can be away.
 */
export class OidcIssuer {
  readonly url: string;
  /** Requests by path, those that were not answered included. */
  readonly requests: string[] = [];
  /** "slow": the documents that servers ask for are not answered while it is. */
  state: "up" | "slow" | "failing" = "up";
  readonly #server: Server;
  readonly #options: IssuerOptions;
  readonly #accounts = new Map<string, Account>();
  #provider: Provider | null = null;
  #keyCount = 0;

  private constructor(server: Server, options: IssuerOptions) {
    this.#server = server;
    this.#options = options;
    this.url = `http://localhost:${(server.address() as AddressInfo).port}`;
  }

  static async start(options: IssuerOptions = {}): Promise<OidcIssuer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    const issuer = new OidcIssuer(server, options);
    server.on("request", (request, response) => issuer.#serve(request, response));
    await issuer.rotateKeys();
    return issuer;
  }

  /** From now on tokens are signed with a new key, and the old one is not published any more. */
  async rotateKeys(): Promise<void> {
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const key = {
      ...(await exportJWK(privateKey)),
      kid: `key-${++this.#keyCount}`,
      alg: "RS256",
      use: "sig",
    };
    this.#provider = this.#providerWith(key);
  }

  /** Logs a user in and returns the id token. */
  async idToken(account: Account, application = "lenslet-app"): Promise<string> {
    this.#accounts.set(account.sub, account);
    const query = new URLSearchParams({
      client_id: application,
      response_type: "code",
      scope: "openid profile email",
      redirect_uri: redirectUri,
      nonce: "n",
      login_hint: account.sub,
    });
    const cookies = new Map<string, string>();
    let redirectsLeft = redirectsMax;
    let location = `${this.url}/auth?${query.toString()}`;
    while (!location.startsWith(redirectUri)) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(location, { redirect: "manual", headers: { cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        cookies.set(name, value);
      }
      const next = response.headers.get("location");
      if (next === null) throw new Error(`${location}: ${response.status} ${await response.text()}`);
      location = new URL(next, this.url).href;
      if (--redirectsLeft === 0) throw new Error(`redirected for ever, at last to ${location}`);
    }
    const code = new URL(location).searchParams.get("code");
    if (code === null) throw new Error(`no code in ${location}`);
    const response = await fetch(`${this.url}/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code,
        redirect_uri: redirectUri,
        client_id: application,
      }),
    });
    const { id_token: idToken } = (await response.json()) as { id_token?: string };
    if (idToken === undefined) throw new Error(`no id token: ${response.status}`);
    return idToken;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? "/", this.url).pathname;
    this.requests.push(path);
    if (path.startsWith("/interaction/")) {
      void this.#logIn(request, response);
    } else if (this.state === "up" || path === "/auth" || path === "/token")
      this.#provider?.callback()(request, response);
    else if (this.state === "failing") response.writeHead(503).end("come back later");
  }

  async #logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const details = await this.#provider?.interactionDetails(request, response);
    const finished = { login: { accountId: details?.params["login_hint"] } };
    await this.#provider?.interactionFinished(request, response, finished);
  }

  #providerWith(key: JWK): Provider {
    const { lifetimeS = 3600, applications = ["lenslet-app"] } = this.#options;
    return new Provider(this.url, {
      jwks: { keys: [key] },
      clients: applications.map((id) => ({
        client_id: id,
        redirect_uris: [redirectUri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
        token_endpoint_auth_method: "none",
      })),
      cookies: { keys: ["a secret of these tests"] },
      // Claims of the scopes are in the id token, as most providers have it.
      conformIdTokenClaims: false,
      claims: {
        openid: ["sub", "plan"],
        profile: ["name", "updated_at"],
        email: ["email", "email_verified"],
      },
      pkce: { required: () => false },
      features: { devInteractions: { enabled: false } },
      ttl: {
        IdToken: lifetimeS,
        AccessToken: 60,
        AuthorizationCode: 60,
        Grant: 3600,
        Interaction: 60,
        Session: 3600,
      },
      interactions: { url: (_context: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
      findAccount: (_context: Context, id: string) => ({
        accountId: id,
        claims: () => this.#accounts.get(id),
      }),
      loadExistingGrant: async ({ oidc: { client, session, provider } }: Context) => {
        const grant = new provider.Grant({ clientId: client.clientId, accountId: session?.accountId ?? "" });
        grant.addOIDCScope("openid profile email");
        await grant.save();
        return grant;
      },
    });
  }
}
