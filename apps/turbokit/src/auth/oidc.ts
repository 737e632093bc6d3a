/** OpenID Connect for a page: authorization code with PKCE, renewed by refresh tokens. No secrets, no library. */

export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Where the provider sends people back to; registered with it. */
  readonly redirectUri: string;
}

export interface Tokens {
  readonly idToken: string;
  readonly refreshToken: string | null;
  readonly expiresAtMs: number;
}

/** What is kept between leaving for the provider and coming back. */
interface Departure {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly returnTo: string;
}

interface Endpoints {
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
}

const departureKey = "turbokit:sign-in";
const scope = "openid profile email offline_access";

/** Leaves for the provider's sign-in page. */
export async function leaveToSignIn(client: OidcClient, returnTo: string): Promise<void> {
  const { authorization_endpoint: endpoint } = await endpointsOf(client);
  const departure: Departure = {
    state: randomText(),
    nonce: randomText(),
    verifier: randomText(),
    returnTo,
  };
  sessionStorage.setItem(departureKey, JSON.stringify(departure));
  const url = new URL(endpoint);
  url.search = new URLSearchParams({
    client_id: client.clientId,
    response_type: "code",
    scope,
    redirect_uri: client.redirectUri,
    state: departure.state,
    nonce: departure.nonce,
    code_challenge: base64Url(await sha256(departure.verifier)),
    code_challenge_method: "S256",
  }).toString();
  window.location.assign(url);
}

/** Exchanges the code with which the provider sent somebody back. Throws with what to tell them. */
export async function arriveSignedIn(
  client: OidcClient,
  query: URLSearchParams,
): Promise<{ readonly tokens: Tokens; readonly returnTo: string }> {
  const kept = sessionStorage.getItem(departureKey);
  sessionStorage.removeItem(departureKey);
  const departure = kept === null ? null : (JSON.parse(kept) as Departure);
  const code = query.get("code");
  if (query.has("error")) throw new Error(query.get("error_description") ?? "The sign-in was not completed.");
  // An answer to a question that this window has not asked is not looked at.
  if (departure === null || code === null || query.get("state") !== departure.state)
    throw new Error("That sign-in was begun elsewhere or too long ago. Please sign in again.");
  const tokens = await requestTokens(client, {
    grant_type: "authorization_code",
    code,
    redirect_uri: client.redirectUri,
    code_verifier: departure.verifier,
  });
  if (tokens === null || claimsOf(tokens.idToken)["nonce"] !== departure.nonce)
    throw new Error("The sign-in was refused. Please try again.");
  return { tokens, returnTo: departure.returnTo };
}

/** New tokens for old ones. Null: the provider does not know this session any more. Throws when it cannot be reached. */
export async function renewTokens(client: OidcClient, { refreshToken }: Tokens): Promise<Tokens | null> {
  if (refreshToken === null) return null;
  return await requestTokens(client, { grant_type: "refresh_token", refresh_token: refreshToken });
}

async function requestTokens(
  client: OidcClient,
  form: Readonly<Record<string, string>>,
): Promise<Tokens | null> {
  const { token_endpoint: endpoint } = await endpointsOf(client);
  const body = new URLSearchParams({ client_id: client.clientId, ...form });
  const answer = await fetch(endpoint, { method: "POST", body });
  if (answer.status >= 500) throw new Error("The sign-in service cannot be reached.");
  if (!answer.ok) return null;
  const fields = (await answer.json()) as { id_token?: string; refresh_token?: string };
  if (fields.id_token === undefined) return null;
  const { exp } = claimsOf(fields.id_token);
  return {
    idToken: fields.id_token,
    refreshToken: fields.refresh_token ?? null,
    expiresAtMs: Number(exp) * 1000,
  };
}

let known: Promise<Endpoints> | null = null;

function endpointsOf({ issuer }: OidcClient): Promise<Endpoints> {
  known ??= fetch(`${issuer}/.well-known/openid-configuration`).then(async (answer) => {
    if (!answer.ok) throw new Error("The sign-in service cannot be reached.");
    return (await answer.json()) as Endpoints;
  });
  // A failure is not remembered.
  known.catch(() => (known = null));
  return known;
}

/** Of a token that came straight from its issuer; the server is who verifies it. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const text = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
}

function randomText(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
