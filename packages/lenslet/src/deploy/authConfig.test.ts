import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { parseAuthConfig } from "./authConfig.ts";

const providers = (...list: unknown[]) => ({ providers: list });
const jwt = {
  type: "customJwt",
  issuer: "https://issuer.example.com/x",
  jwks: "https://a.example.com/jwks",
  algorithm: "ES256",
};

function codeOf(config: unknown): string {
  try {
    parseAuthConfig(config);
  } catch (error) {
    if (error instanceof LensletError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("auth.config.ts (reference functions.md §13.1)", () => {
  it("normalises domains and fills in absent application ids", () => {
    expect(
      parseAuthConfig(
        providers(
          { domain: "tenant.clerk.accounts.dev", applicationID: "convex" },
          { domain: "http://127.0.0.1:3211", applicationID: "convex" },
          { domain: "localhost:5173", applicationID: "app" },
          jwt,
        ),
      ),
    ).toEqual([
      { domain: "https://tenant.clerk.accounts.dev", applicationID: "convex" },
      { domain: "http://127.0.0.1:3211", applicationID: "convex" },
      { domain: "https://localhost:5173", applicationID: "app" },
      { ...jwt, applicationID: null },
    ]);
  });

  it.each([
    [undefined, "InvalidAuthConfig"],
    [{}, "InvalidAuthConfig"],
    [providers(null), "InvalidAuthConfig"],
    [providers({ domain: "a.com" }), "InvalidAuthConfig"],
    [providers({ ...jwt, type: "saml" }), "InvalidAuthConfig"],
    [providers({ ...jwt, algorithm: "HS256" }), "InvalidSignatureAlgorithm"],
    [providers({ domain: '"a.com"', applicationID: "x" }), "InvalidProviderDomainUrl"],
    [providers({ domain: "ftp://a.com", applicationID: "x" }), "InvalidProviderDomainUrl"],
    [providers({ domain: "undefined", applicationID: "x" }), "InvalidProviderDomainUrl"],
  ])("refuses %j with %s", (config, code) => {
    expect(codeOf(config)).toBe(code);
  });

  it("keeps jwks given as data", () => {
    const jwks = "data:text/plain;charset=utf-8;base64,e30=";
    expect(parseAuthConfig(providers({ ...jwt, jwks }))).toEqual([{ ...jwt, applicationID: null, jwks }]);
  });
});
