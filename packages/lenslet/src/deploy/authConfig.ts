import { badRequest } from "../base/errors.ts";

/** A provider of auth.config.ts as the CLI and the authenticator know it (reference http-api.md §6.2). */
export type AuthInfo =
  | { readonly applicationID: string; readonly domain: string }
  | {
      readonly type: "customJwt";
      readonly applicationID: string | null;
      readonly issuer: string;
      readonly jwks: string;
      readonly algorithm: "RS256" | "ES256";
    };

/**
 * Parses the default export of auth.config.js, an object from user code. Throws BadRequest.
 * Source of rules: reference functions.md §13.1.
 */
export function parseAuthConfig(exported: unknown): readonly AuthInfo[] {
  if (!isRecord(exported)) {
    throw badRequest(
      "InvalidAuthConfig",
      "auth config file is missing default export of an object with `providers`",
    );
  }
  const { providers } = exported;
  if (!Array.isArray(providers)) {
    throw badRequest(
      "InvalidAuthConfig",
      "auth config file must include a list of provider credentials: `providers`",
    );
  }
  return providers.map((provider: unknown, index) => parseProvider(provider, index));
}

function parseProvider(provider: unknown, index: number): AuthInfo {
  const at = `providers[${index}]`;
  if (!isRecord(provider)) throw badRequest("InvalidAuthConfig", `auth config file: ${at} must be an object`);
  if (provider.type === undefined || provider.type === null || provider.type === "oidc") {
    return {
      applicationID: requiredString(provider, "applicationID", at),
      domain: normalizeIssuer(requiredString(provider, "domain", at)),
    };
  }
  if (provider.type !== "customJwt") {
    throw badRequest("InvalidAuthConfig", `auth config file: ${at}.type must be "customJwt" or absent`);
  }
  const algorithm = provider.algorithm;
  if (algorithm !== "RS256" && algorithm !== "ES256") {
    throw badRequest(
      "InvalidSignatureAlgorithm",
      `Invalid signature algorithm ${JSON.stringify(algorithm) ?? "undefined"}: must be "RS256" or "ES256"`,
    );
  }
  const applicationID = provider.applicationID;
  if (applicationID !== undefined && applicationID !== null && typeof applicationID !== "string") {
    throw badRequest("InvalidAuthConfig", `auth config file: ${at}.applicationID must be a string`);
  }
  const jwks = requiredString(provider, "jwks", at);
  return {
    type: "customJwt",
    applicationID: applicationID ?? null,
    issuer: normalizeIssuer(requiredString(provider, "issuer", at)),
    jwks: jwks.startsWith("data:") ? jwks : normalizeUrl(jwks),
    algorithm,
  };
}

function requiredString(provider: Record<string, unknown>, field: string, at: string): string {
  const value = provider[field];
  if (typeof value === "string") return value;
  throw badRequest("InvalidAuthConfig", `auth config file: ${at}.${field} must be a string`);
}

/**
 * Adds `https://` when there is no scheme. Refuses what cannot be an issuer. The original also looks the last label up
 * in a list of top-level domains; here any alphabetic label and, because that is where a server on one's own machine
 * lives, an IP address will do.
 */
function normalizeIssuer(text: string): string {
  const normalized = normalizeUrl(text);
  const host = new URL(normalized).hostname;
  const isAddress = /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.startsWith("[");
  const hasTopLevelDomain = /\.(?:[a-z]{2,}|xn--[a-z0-9-]+)\.?$/.test(host);
  if (host !== "localhost" && !isAddress && !hasTopLevelDomain) {
    throw invalidDomain(text, `the host "${host}" has no top-level domain`);
  }
  return normalized;
}

function normalizeUrl(text: string): string {
  if (text.startsWith('"')) throw invalidDomain(text, "remove the quotation marks around it");
  const withScheme = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\//.test(text) ? text : `https://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    throw invalidDomain(text, "it is not a URL");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw invalidDomain(text, "only http and https are supported");
  }
  return withScheme;
}

function invalidDomain(text: string, reason: string) {
  return badRequest("InvalidProviderDomainUrl", `Invalid provider domain URL "${text}": ${reason}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
