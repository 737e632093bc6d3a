import { LensletError } from "../base/errors.ts";

/** A configured provider (`AuthInfo` of http-api.md §6.2), parsed. */
export type AuthProvider =
  | { readonly kind: "oidc"; readonly domain: string; readonly applicationId: string }
  | {
      readonly kind: "customJwt";
      readonly issuer: string;
      readonly jwksUrl: string;
      readonly algorithm: "RS256" | "ES256";
      readonly applicationId: string | null;
    };

/** Providers were checked when they were pushed; an entry this version does not understand is left out. */
export function parseProviders(infos: readonly unknown[]): readonly AuthProvider[] {
  return infos.map(parseProvider).filter((provider) => provider !== null);
}

function parseProvider(info: unknown): AuthProvider | null {
  if (typeof info !== "object" || info === null) return null;
  const { type, domain, issuer, jwks, algorithm, applicationID } = info as Record<string, unknown>;
  if (type === "customJwt") {
    if (typeof issuer !== "string" || typeof jwks !== "string") return null;
    if (algorithm !== "RS256" && algorithm !== "ES256") return null;
    const applicationId = typeof applicationID === "string" ? applicationID : null;
    return { kind: "customJwt", issuer, jwksUrl: jwks, algorithm, applicationId };
  }
  if (typeof domain !== "string" || typeof applicationID !== "string") return null;
  return { kind: "oidc", domain, applicationId: applicationID };
}

/** Issuers are equal when they are after adding `https://` where there is no scheme and dropping trailing slashes. */
export function normalizeIssuer(issuer: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(issuer) ? issuer : `https://${issuer}`;
  return withScheme.replace(/\/+$/, "");
}

/** The first provider for a token with this issuer and these audiences. Throws Unauthenticated `NoAuthProvider`. */
export function chooseProvider(
  providers: readonly AuthProvider[],
  issuer: string,
  audiences: readonly string[],
  redact: boolean,
): AuthProvider {
  const wanted = normalizeIssuer(issuer);
  const found = providers.find((provider) => {
    const own = provider.kind === "oidc" ? provider.domain : provider.issuer;
    if (normalizeIssuer(own) !== wanted) return false;
    return provider.applicationId === null || audiences.includes(provider.applicationId);
  });
  if (found) return found;
  throw new LensletError("Unauthenticated", "NoAuthProvider", noProviderText(providers, redact));
}

function noProviderText(providers: readonly AuthProvider[], redact: boolean): string {
  const base = "No auth provider found matching the given token";
  if (redact) return base;
  if (providers.length === 0) return `${base} (no providers configured). Check convex/auth.config.ts.`;
  const list = providers.map((provider) =>
    provider.kind === "oidc"
      ? `OIDC(domain=${provider.domain}, app_id=${provider.applicationId})`
      : `CustomJWT(issuer=${provider.issuer}, app_id=${provider.applicationId ?? "none"})`,
  );
  return `${base}. Check that your JWT's issuer and audience match one of your configured providers: [${list.join(", ")}]`;
}
