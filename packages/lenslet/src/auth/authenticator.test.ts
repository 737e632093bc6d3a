import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adminKeyOf, type Authenticator } from "./authenticator.ts";
import {
  type Claims,
  failure,
  FakeClock,
  newKey,
  secret,
  type SigningKey,
  startMs,
  TestProvider,
  testAuthenticator,
  tokenOf,
} from "./testSupport.ts";

let provider: TestProvider;
let clock: FakeClock;
let rsa: SigningKey;
let rsa2: SigningKey;
let ed: SigningKey;
let ec: SigningKey;
let authProviders: unknown[];

beforeAll(async () => {
  [rsa, rsa2, ed, ec] = await Promise.all([
    newKey("RS256", "rsa"),
    newKey("RS256", "rsa2"),
    newKey("EdDSA", "ed"),
    newKey("ES256", "ec"),
  ]);
  provider = new TestProvider();
  await provider.start();
});
afterAll(() => provider.close());
beforeEach(() => {
  clock = new FakeClock();
  provider.requests = 0;
  provider.discoveryStatus = provider.jwksStatus = 200;
  provider.contentType = "application/json";
  provider.keys = [rsa.publicJwk, ed.publicJwk, ec.publicJwk];
  authProviders = [{ domain: provider.url, applicationID: "convex" }];
});

function authenticator(options: { redact?: boolean; fetch?: typeof fetch } = {}): Authenticator {
  return testAuthenticator({ clock, providers: () => authProviders, ...options });
}

function sign(key: SigningKey, claims: Claims = {}, header: { kid?: string } = { kid: key.kid }) {
  return tokenOf(provider.url, clock, key, claims, header);
}

function useCustomJwt(fields: Record<string, unknown> = {}) {
  authProviders = [
    {
      type: "customJwt",
      issuer: provider.url,
      jwks: `${provider.url}/jwks`,
      algorithm: "RS256",
      applicationID: null,
      ...fields,
    },
  ];
}

describe("admin keys", () => {
  const key = adminKeyOf("happy-otter-1", secret);
  const suffix = (attributes: unknown) => Buffer.from(JSON.stringify(attributes)).toString("base64");

  it("are the instance name and an opaque hex that depends on name and secret", () => {
    expect(key).toMatch(/^happy-otter-1\|[0-9a-f]{64}$/);
    expect(adminKeyOf("happy-otter-2", secret).split("|")[1]).not.toBe(key.split("|")[1]);
    expect(adminKeyOf("happy-otter-1", Buffer.from("other"))).not.toBe(key);
  });

  it("are accepted with the selectors of http-api.md §1.3", () => {
    const hex = key.split("|")[1];
    for (const form of [
      key,
      `prod:${key}`,
      `dev:${key}`,
      `preview:team:project|${hex}`,
      `project:t:p|${hex}`,
    ]) {
      expect(authenticator().verifyAdminKey(form)).toEqual({ kind: "admin", actingAs: null });
    }
  });

  it("carry whom to act as", () => {
    const identity = authenticator().verifyAdminKey(
      `prod:${key}:${suffix({ issuer: "i", subject: "s", plan: { tier: 1 } })}`,
    );
    expect(identity).toEqual({
      kind: "admin",
      actingAs: { issuer: "i", subject: "s", tokenIdentifier: "i|s", plan: { tier: 1 } },
    });
  });

  it("are refused when wrong", async () => {
    const wrong = `${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`;
    for (const form of [wrong, "", "x", "happy-otter-1|", `other|${key.split("|")[1]}`, key.toUpperCase()]) {
      expect(await failure(authenticator().parseAuthorization(`Convex ${form}`))).toEqual({
        category: "Unauthenticated",
        code: "BadAdminKey",
        message: "The provided admin key was invalid for this instance",
      });
    }
    for (const bad of ["%%%", suffix({ name: "no identifier" }), suffix({ tokenIdentifier: 3 })]) {
      expect(await failure(authenticator().parseAuthorization(`Convex ${key}:${bad}`))).toMatchObject({
        category: "BadRequest",
        code: "HeaderParseFailure",
        message: "Malformed Authorization header.",
      });
    }
  });

  it("are chosen by the scheme, in any case", async () => {
    expect(await authenticator().parseAuthorization(`cOnVeX ${key}`)).toEqual({
      kind: "admin",
      actingAs: null,
    });
    expect(await authenticator().parseAuthorization(undefined)).toEqual({ kind: "anonymous" });
    expect(await failure(authenticator().parseAuthorization("abc"))).toMatchObject({
      code: "InvalidHeaderFailure",
    });
    expect(await failure(authenticator().parseAuthorization("Basic abcdef"))).toMatchObject({
      category: "BadRequest",
      code: "InvalidAdminKey",
    });
  });
});

describe("choosing a provider", () => {
  it("explains tokens it cannot read", async () => {
    for (const token of ["x", "a.b.c", "", "....", "a".repeat(100_000)]) {
      expect(await failure(authenticator().verifyUserToken(token))).toEqual({
        category: "Unauthenticated",
        code: "InvalidAuthHeader",
        message:
          "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
      });
    }
    const withoutIssuer = `e30.${Buffer.from('{"sub":"x"}').toString("base64url")}.e30`;
    expect((await failure(authenticator().verifyUserToken(withoutIssuer))).message).toBe(
      "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.",
    );
  });

  it("lists the configured providers unless redacted", async () => {
    authProviders = [
      { domain: "https://a.example", applicationID: "app" },
      {
        type: "customJwt",
        issuer: "https://b.example",
        jwks: "data:,",
        algorithm: "ES256",
        applicationID: null,
      },
    ];
    const token = await sign(rsa);
    expect(await failure(authenticator().verifyUserToken(token))).toEqual({
      category: "Unauthenticated",
      code: "NoAuthProvider",
      message:
        "No auth provider found matching the given token. Check that your JWT's issuer and audience match one of your configured providers: [OIDC(domain=https://a.example, app_id=app), CustomJWT(issuer=https://b.example, app_id=none)]",
    });
    expect((await failure(authenticator({ redact: true }).verifyUserToken(token))).message).toBe(
      "No auth provider found matching the given token",
    );
    authProviders = [];
    expect((await failure(authenticator().verifyUserToken(token))).message).toBe(
      "No auth provider found matching the given token (no providers configured). Check convex/auth.config.ts.",
    );
  });

  it("ignores trailing slashes and a missing scheme, but not the audience", async () => {
    authProviders = [{ domain: `${provider.url}//`, applicationID: "convex" }];
    expect(await authenticator().verifyUserToken(await sign(rsa, { iss: `${provider.url}/` }))).toMatchObject(
      {
        attributes: { tokenIdentifier: `${provider.url}/|u1` },
      },
    );
    expect(await failure(authenticator().verifyUserToken(await sign(rsa, { aud: "other" })))).toMatchObject({
      code: "NoAuthProvider",
    });
    useCustomJwt({ issuer: "https://my-app" });
    expect(await authenticator().verifyUserToken(await sign(rsa, { iss: "my-app" }))).toMatchObject({
      attributes: { tokenIdentifier: "my-app|u1" },
    });
  });
});

describe("OIDC tokens", () => {
  it("yield the mapped identity", async () => {
    const token = await sign(rsa, {
      name: "Ada",
      given_name: "A",
      email: "a@x",
      email_verified: true,
      picture: "p",
      zoneinfo: "UTC",
      locale: "en",
      updated_at: 0,
      address: { formatted: "Street 1", country: "x" },
      birthdate: "1815-12-10",
      profile: "pr",
      org: { id: 7 },
      roles: ["a"],
      jti: "j",
      nbf: 1,
      fva: [1, 2],
      nonce: "n",
      tokenIdentifier: "forged",
      subject: "forged",
    });
    const identity = await authenticator().parseAuthorization(`Bearer ${token}`);
    expect(identity).toEqual({
      kind: "user",
      expiresAtMs: startMs + 3_600_000,
      token,
      attributes: {
        tokenIdentifier: `${provider.url}|u1`,
        issuer: provider.url,
        subject: "u1",
        name: "Ada",
        givenName: "A",
        email: "a@x",
        emailVerified: true,
        pictureUrl: "p",
        timezone: "UTC",
        language: "en",
        updatedAt: "1970-01-01T00:00:00.000Z",
        address: "Street 1",
        birthday: "1815-12-10",
        profileUrl: "pr",
        org: { id: 7 },
        roles: ["a"],
      },
    });
  });

  it("may be signed with EdDSA or name no key", async () => {
    expect(await authenticator().verifyUserToken(await sign(ed))).toMatchObject({ kind: "user" });
    provider.keys = [rsa2.publicJwk, rsa.publicJwk];
    expect(await authenticator().verifyUserToken(await sign(rsa, {}, {}))).toMatchObject({ kind: "user" });
  });

  it("are refused when forged, expired, of another algorithm or for several audiences", async () => {
    const forged = await sign({ ...rsa2, kid: "rsa" });
    const expired = await sign(rsa, { exp: startMs / 1000 - 1 });
    const wrongAlgorithm = await sign(ec);
    const several = await sign(rsa, { aud: ["convex", "other"] });
    const unknownKey = await sign(rsa2);
    for (const token of [forged, expired, wrongAlgorithm, several, unknownKey]) {
      expect(await failure(authenticator().verifyUserToken(token))).toEqual({
        category: "Unauthenticated",
        code: "Unauthenticated",
        message:
          "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
      });
    }
    expect(
      (await failure(authenticator().verifyUserToken(await sign(rsa, { sub: 3 as never })))).message,
    ).toBe("Could not parse as OIDC ID token. Token might not be an OIDC-compliant JWT.");
  });

  it("fail for good when discovery says no, and for now when the provider is down", async () => {
    const token = await sign(rsa);
    provider.discoveryStatus = 404;
    expect(await failure(authenticator().verifyUserToken(token))).toMatchObject({
      category: "BadRequest",
      code: "AuthProviderDiscoveryFailed",
      message: expect.stringContaining(`Auth provider discovery of ${provider.url} failed: 404 {`),
    });
    provider.discoveryStatus = 503;
    expect(await failure(authenticator().verifyUserToken(token))).toMatchObject({ category: "Overloaded" });
    const offline = authenticator({ fetch: () => Promise.reject(new TypeError("fetch failed")) });
    expect(await failure(offline.verifyUserToken(token))).toMatchObject({
      category: "Overloaded",
      message: `Auth provider discovery of ${provider.url} failed: fetch failed`,
    });
  });

  it("cost one discovery and one key set download, however many there are", async () => {
    const auth = authenticator();
    const token = await sign(rsa);
    await Promise.all(Array.from({ length: 20 }, () => auth.verifyUserToken(token)));
    await auth.verifyUserToken(token);
    expect(provider.requests).toBe(2);
  });

  it("follow a key rotation, asking at most once per cool-down", async () => {
    const auth = authenticator();
    await auth.verifyUserToken(await sign(rsa));
    provider.keys = [rsa2.publicJwk];
    const rotated = await sign(rsa2);
    expect(await failure(auth.verifyUserToken(rotated))).toMatchObject({ code: "Unauthenticated" });
    expect(provider.requests).toBe(2);
    clock.now += 10_000;
    expect(await auth.verifyUserToken(rotated)).toMatchObject({ kind: "user" });
    expect(provider.requests).toBe(3);
    const unknown = await sign(ed);
    for (let i = 0; i < 5; i++) await failure(auth.verifyUserToken(unknown));
    expect(provider.requests).toBe(3);
  });

  it("survive an outage of the provider on remembered keys, but not for ever", async () => {
    const auth = authenticator();
    const long = { exp: startMs / 1000 + 86_400 };
    await auth.verifyUserToken(await sign(rsa, long));
    provider.discoveryStatus = provider.jwksStatus = 500;
    clock.now += 11 * 60_000;
    expect(await auth.verifyUserToken(await sign(rsa, long))).toMatchObject({ kind: "user" });
    clock.now += 60 * 60_000;
    expect(await failure(auth.verifyUserToken(await sign(rsa, long)))).toMatchObject({
      category: "Overloaded",
    });
  });
});

describe("custom JWTs", () => {
  it("yield every private claim, flattened", async () => {
    useCustomJwt();
    const token = await sign(rsa, {
      email: "a@x",
      properties: { id: 1, deep: { x: [1] } },
      fva: 1,
      jti: "j",
      given_name: "G",
    });
    expect(await authenticator().verifyUserToken(token)).toEqual({
      kind: "user",
      expiresAtMs: startMs + 3_605_000,
      token,
      attributes: {
        tokenIdentifier: `${provider.url}|u1`,
        issuer: provider.url,
        subject: "u1",
        email: "a@x",
        "properties.id": 1,
        "properties.deep.x": [1],
        given_name: "G",
      },
    });
  });

  it("work with a data: URI, base64 or percent-encoded, and ES256", async () => {
    const jwks = JSON.stringify({ keys: [ec.publicJwk] });
    for (const uri of [
      `data:application/json;charset=utf-8;base64,${Buffer.from(jwks).toString("base64")}`,
      `data:application/jwk-set+json,${encodeURIComponent(jwks)}`,
    ]) {
      useCustomJwt({ jwks: uri, algorithm: "ES256", applicationID: "convex" });
      expect(await authenticator().verifyUserToken(await sign(ec))).toMatchObject({ kind: "user" });
    }
    useCustomJwt({ jwks: `data:text/plain,${jwks}`, algorithm: "ES256" });
    expect((await failure(authenticator().verifyUserToken(await sign(ec)))).message).toContain(
      "Invalid Content-Type 'text/plain' when fetching JWKS from 'data:text/plain,",
    );
  });

  it("need a key id that is known and the configured algorithm", async () => {
    useCustomJwt();
    expect((await failure(authenticator().verifyUserToken(await sign(rsa, {}, {})))).message).toBe(
      "Could not decode token. JWT may be missing a 'kid' (key ID) header.",
    );
    for (const token of [await sign(rsa2), await sign({ ...rsa2, kid: "rsa" }, {}, { kid: "rsa2" })]) {
      expect(await failure(authenticator().verifyUserToken(token))).toEqual({
        category: "Unauthenticated",
        code: "InvalidAuthHeader",
        message:
          "Could not decode token. The JWT's 'kid' (key ID) header is 'rsa2', does this key match any key in the provider's JWKS?",
      });
    }
    expect((await failure(authenticator().verifyUserToken(await sign(ec)))).message).toContain(
      "'kid' (key ID) header is 'ec'",
    );
  });

  it("allow 5 s of leeway", async () => {
    useCustomJwt();
    const token = await sign(rsa, { exp: startMs / 1000 + 10 });
    clock.now += 14_000;
    expect(await authenticator().verifyUserToken(token)).toMatchObject({ kind: "user" });
    clock.now += 2_000;
    expect((await failure(authenticator().verifyUserToken(token))).message).toMatch(
      /^Could not validate token: /,
    );
  });

  it("must have a subject and an expiry", async () => {
    useCustomJwt();
    const without = (claim: string) => sign(rsa, { [claim]: undefined });
    expect((await failure(authenticator().verifyUserToken(await without("sub")))).message).toBe(
      "Missing subject",
    );
    expect((await failure(authenticator().verifyUserToken(await without("exp")))).message).toBe(
      "Missing expiry",
    );
  });

  it("name what is wrong with the key set", async () => {
    useCustomJwt();
    const token = await sign(rsa);
    provider.jwksStatus = 404;
    expect(await failure(authenticator().verifyUserToken(token))).toEqual({
      category: "Unauthenticated",
      code: "InvalidAuthHeader",
      message: `Could not fetch JWKS from URL '${provider.url}/jwks': HTTP 404 Not Found. Check that the URL is correct and accessible.`,
    });
    provider.jwksStatus = 502;
    expect(await failure(authenticator().verifyUserToken(token))).toMatchObject({ category: "Overloaded" });
    provider.jwksStatus = 200;
    provider.contentType = "text/html";
    expect((await failure(authenticator().verifyUserToken(token))).message).toBe(
      `Invalid Content-Type 'text/html' when fetching JWKS from '${provider.url}/jwks'. Expected 'application/json' or 'application/jwk-set+json'.`,
    );
  });
});
