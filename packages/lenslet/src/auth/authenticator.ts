import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose";
import type { JWTPayload, JWTVerifyOptions } from "jose";
import type { Clock } from "../base/clock.ts";
import { badRequest, LensletError } from "../base/errors.ts";
import type { Deployment, Identity } from "../engine/api.ts";
import { parseUserAttributes } from "../protocol/syncIdentity.ts";
import { isAdminKey, splitAdminKey } from "./adminKey.ts";
import { attributesFromCustomJwt, attributesFromOidc } from "./claims.ts";
import { invalidHeader, ProviderDocuments, type KeySet } from "./keySets.ts";
import { chooseProvider, normalizeIssuer, parseProviders, type AuthProvider } from "./providers.ts";

export { adminKeyOf } from "./adminKey.ts";

/** Decides who a caller is. Every method throws LensletError for a credential it refuses. */
export interface Authenticator {
  /**
   * A bare admin key as in `Authenticate` or after "Convex ", with the prefix and acting-as rules of http-api.md §1.3.
   * Throws Unauthenticated `BadAdminKey`, BadRequest `HeaderParseFailure` (acting-as suffix).
   */
  verifyAdminKey(key: string): Identity;
  /**
   * A JWT of one of the deployment's providers. Throws Unauthenticated (`InvalidAuthHeader`, `NoAuthProvider`,
   * `Unauthenticated`), BadRequest `AuthProviderDiscoveryFailed`, or Overloaded when the provider cannot be reached.
   */
  verifyUserToken(jwt: string): Promise<Identity>;
  /** The `Authorization` header, see http-api.md §1.3; undefined is the anonymous caller. */
  parseAuthorization(header: string | undefined): Promise<Identity>;
}

export interface AuthenticatorOptions {
  readonly instanceName: string;
  readonly instanceSecret: Uint8Array;
  readonly deployment: () => Deployment;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** Leaves the configured providers out of error texts. */
  readonly redact: boolean;
}

/** How far the clocks of a provider and of this server may be apart: custom JWTs in all their times, OIDC tokens in `nbf`. */
const clockLeewayMs = 5_000;
const tokenBytesMax = 64 * 1024;
const badAdminKeyText = "The provided admin key was invalid for this instance";
const oidcClaimText =
  "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.";

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const documents = new ProviderDocuments(options.clock, options.fetch);
  let parsed: { version: number; providers: readonly AuthProvider[] } | null = null;

  function providers(): readonly AuthProvider[] {
    const { version, authProviders } = options.deployment();
    if (parsed?.version !== version) parsed = { version, providers: parseProviders(authProviders) };
    return parsed.providers;
  }

  function verifyAdminKey(presented: string): Identity {
    const { key, actingAsBase64 } = splitAdminKey(presented.trim());
    if (!isAdminKey(key, options.instanceName, options.instanceSecret)) {
      throw new LensletError("Unauthenticated", "BadAdminKey", badAdminKeyText);
    }
    return { kind: "admin", actingAs: actingAsBase64 === null ? null : parseActingAs(actingAsBase64) };
  }

  async function verifyUserToken(jwt: string): Promise<Identity> {
    const { issuer, audiences } = readUnverified(jwt);
    const provider = chooseProvider(providers(), issuer, audiences, options.redact);
    return provider.kind === "oidc"
      ? verifyOidc(jwt, issuer, documents, options.clock)
      : verifyCustomJwt(jwt, issuer, provider, documents, options.clock);
  }

  async function parseAuthorization(header: string | undefined): Promise<Identity> {
    if (header === undefined) return { kind: "anonymous" };
    if (header.length < 7)
      throw badRequest("InvalidHeaderFailure", "Invalid Authorization header: it is too short.");
    const scheme = header.slice(0, 7).toLowerCase();
    if (scheme === "convex ") return verifyAdminKey(header.slice(7));
    if (scheme === "bearer ") return verifyUserToken(header.slice(7).trim());
    throw badRequest("InvalidAdminKey", "Header must begin with `bearer `");
  }

  return { verifyAdminKey, verifyUserToken, parseAuthorization };
}

function parseActingAs(base64: string) {
  try {
    return parseUserAttributes(JSON.parse(Buffer.from(base64, "base64").toString("utf8")));
  } catch {
    throw badRequest("HeaderParseFailure", "Malformed Authorization header.");
  }
}

/** `iss` and `aud` decide which provider is asked; nothing else of the payload is believed before the signature is checked. */
function readUnverified(jwt: string): { issuer: string; audiences: readonly string[] } {
  let payload: JWTPayload;
  try {
    if (jwt.length > tokenBytesMax) throw new Error("too long");
    payload = decodeJwt(jwt);
  } catch {
    throw invalidHeader(
      "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
    );
  }
  if (typeof payload.iss !== "string") {
    throw invalidHeader(
      "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.",
    );
  }
  return { issuer: payload.iss, audiences: audiencesOf(payload) };
}

function audiencesOf(payload: JWTPayload): readonly string[] {
  if (typeof payload.aud === "string") return [payload.aud];
  return Array.isArray(payload.aud) ? payload.aud.filter((audience) => typeof audience === "string") : [];
}

async function verifyOidc(
  jwt: string,
  issuer: string,
  documents: ProviderDocuments,
  clock: Clock,
): Promise<Identity> {
  const url = await documents.jwksUrlOf(normalizeIssuer(issuer));
  const keySet = await documents.keySet(url, false);
  const nowMs = clock.nowMs();
  const options = {
    algorithms: ["RS256", "EdDSA"],
    currentDate: new Date(nowMs),
    clockTolerance: clockLeewayMs / 1000,
  };
  let payload: JWTPayload;
  try {
    payload = await verifyWithRotation(jwt, keySet, () => documents.newerKeySet(url, false, keySet), options);
  } catch (error) {
    if (error instanceof LensletError) throw error;
    if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) throw notOidc();
    throw new LensletError("Unauthenticated", "Unauthenticated", oidcClaimText);
  }
  const { sub, exp, iat } = payload;
  if (typeof sub !== "string" || typeof exp !== "number" || typeof iat !== "number") throw notOidc();
  // With several audiences the token was made for somebody else too, who could replay it here.
  if (exp * 1000 <= nowMs || audiencesOf(payload).length !== 1) {
    throw new LensletError("Unauthenticated", "Unauthenticated", oidcClaimText);
  }
  const attributes = attributesFromOidc(issuer, sub, payload);
  return { kind: "user", attributes, expiresAtMs: exp * 1000, token: jwt };
}

function notOidc(): LensletError {
  return invalidHeader("Could not parse as OIDC ID token. Token might not be an OIDC-compliant JWT.");
}

async function verifyCustomJwt(
  jwt: string,
  issuer: string,
  provider: AuthProvider & { kind: "customJwt" },
  documents: ProviderDocuments,
  clock: Clock,
): Promise<Identity> {
  const kid = keyIdOf(jwt);
  const keySet = await documents.keySet(provider.jwksUrl, true);
  let payload: JWTPayload;
  try {
    payload = await verifyWithRotation(
      jwt,
      keySet,
      () => documents.newerKeySet(provider.jwksUrl, true, keySet),
      {
        algorithms: [provider.algorithm],
        currentDate: new Date(clock.nowMs()),
        clockTolerance: clockLeewayMs / 1000,
      },
    );
  } catch (error) {
    if (error instanceof LensletError) throw error;
    if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) {
      throw invalidHeader(`Could not validate token: ${error.message}`);
    }
    throw invalidHeader(
      `Could not decode token. The JWT's 'kid' (key ID) header is '${kid}', does this key match any key in the provider's JWKS?`,
    );
  }
  if (typeof payload.sub !== "string") throw invalidHeader("Missing subject");
  if (typeof payload.exp !== "number") throw invalidHeader("Missing expiry");
  return {
    kind: "user",
    attributes: attributesFromCustomJwt(issuer, payload.sub, payload),
    expiresAtMs: payload.exp * 1000 + clockLeewayMs,
    token: jwt,
  };
}

function keyIdOf(jwt: string): string {
  let kid: unknown;
  try {
    kid = decodeProtectedHeader(jwt).kid;
  } catch {
    // Falls through: an unreadable header has no key id either.
  }
  if (typeof kid === "string") return kid;
  throw invalidHeader("Could not decode token. JWT may be missing a 'kid' (key ID) header.");
}

/**
 * A provider that changed its keys is asked once more before its token is refused. A token may say no key id, and a
 * provider may give a new key the old id: then the change shows only in a signature that does not fit.
 */
async function verifyWithRotation(
  jwt: string,
  keySet: KeySet,
  newer: () => Promise<KeySet>,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return await verifyWith(jwt, keySet, options);
  } catch (error) {
    const mayBeNewer =
      error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
    if (!mayBeNewer) throw error;
    const newKeySet = await newer();
    if (newKeySet === keySet) throw error;
    return verifyWith(jwt, newKeySet, options);
  }
}

async function verifyWith(jwt: string, keySet: KeySet, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(jwt, keySet.find, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // The token names no key and several fit: any of them may have signed it.
    for await (const key of error) {
      try {
        return (await jwtVerify(jwt, key, options)).payload;
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}
