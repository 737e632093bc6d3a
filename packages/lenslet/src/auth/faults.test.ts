import { createHmac } from "node:crypto";
import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Authenticator } from "./authenticator.ts";
import {
  type Claims,
  failure,
  FakeClock,
  newKey,
  type SigningKey,
  startMs,
  TestProvider,
  testAuthenticator,
  tokenOf,
} from "./testSupport.ts";

/** Tokens and providers that are not as they should be (reference functions.md §13.2). */

const discoveryPath = "/.well-known/openid-configuration";
const unreadable = {
  category: "Unauthenticated",
  code: "InvalidAuthHeader",
  message:
    "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
};
const badClaim = {
  category: "Unauthenticated",
  code: "Unauthenticated",
  message:
    "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
};
const unknownKey = (kid: string) => ({
  category: "Unauthenticated",
  code: "InvalidAuthHeader",
  message: `Could not decode token. The JWT's 'kid' (key ID) header is '${kid}', does this key match any key in the provider's JWKS?`,
});

let provider: TestProvider;
let clock: FakeClock;
let first: SigningKey;
let second: SigningKey;
let authProviders: unknown[];

beforeAll(async () => {
  [first, second] = await Promise.all([newKey("RS256", "first"), newKey("RS256", "second")]);
  provider = new TestProvider();
  await provider.start();
});
afterAll(() => provider.close());
beforeEach(() => {
  clock = new FakeClock();
  provider.requests = 0;
  provider.discoveryStatus = provider.jwksStatus = 200;
  provider.fault = () => false;
  provider.keys = [first.publicJwk];
  authProviders = [oidc()];
});
afterEach(() => vi.restoreAllMocks());

const oidc = (applicationID = "convex") => ({ domain: provider.url, applicationID });
const customJwt = (applicationID: string | null = null) => ({
  type: "customJwt",
  issuer: provider.url,
  jwks: `${provider.url}/jwks`,
  algorithm: "RS256",
  applicationID,
});
const authenticator = (): Authenticator => testAuthenticator({ clock, providers: () => authProviders });
const sign = (key: SigningKey, claims: Claims = {}, header?: { kid?: string }) =>
  tokenOf(provider.url, clock, key, claims, header);
const seconds = (offset: number) => Math.floor(clock.now / 1000) + offset;
const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url");
const goodClaims = () => ({ iss: provider.url, sub: "u1", aud: "convex", iat: seconds(0), exp: seconds(60) });

describe("a token with one part spoiled", () => {
  it.each<[string, (parts: string[]) => string[]]>([
    ["two parts", ([header, payload]) => [header!, payload!]],
    ["a payload that is no base64", ([header, , signature]) => [header!, "!!!", signature!]],
    ["a payload that is no JSON", ([header, , signature]) => [header!, "e30x", signature!]],
    ["a payload that is a list", ([header, , signature]) => [header!, encode([1]), signature!]],
    ["a payload that is null", ([header, , signature]) => [header!, encode(null), signature!]],
    ["an empty payload", ([header, , signature]) => [header!, "", signature!]],
  ])("is unreadable: %s", async (_, spoil) => {
    const parts = (await sign(first)).split(".");
    expect(await failure(authenticator().verifyUserToken(spoil(parts).join(".")))).toEqual(unreadable);
    expect(provider.requests).toBe(0);
  });

  it("is refused for its header or its signature", async () => {
    const [header = "", payload = "", signature = ""] = (await sign(first)).split(".");
    const spoiled = [
      ["e30x", payload, signature],
      [encode({}), payload, signature],
      [encode({ alg: 7, kid: "first" }), payload, signature],
      [encode({ alg: "RS256", kid: "first", crit: ["x"], x: 1 }), payload, signature],
      [header, payload, ""],
      [header, payload, "!!!"],
      [header, payload, signature.slice(0, -8)],
    ].map((parts) => parts.join("."));
    for (const token of spoiled) {
      const { category, code } = await failure(authenticator().verifyUserToken(token));
      expect([category, /^(InvalidAuthHeader|Unauthenticated)$/.test(code)]).toEqual([
        "Unauthenticated",
        true,
      ]);
    }
    expect(await failure(authenticator().verifyUserToken(spoiled.at(-1)!))).toEqual(badClaim);
  });

  it.each<[string, Claims]>([
    ["no subject", { sub: undefined }],
    ["no issue time", { iat: undefined }],
    ["no expiry", { exp: undefined }],
  ])("is no OIDC token: %s", async (_, claims) => {
    expect(await failure(authenticator().verifyUserToken(await sign(first, claims)))).toEqual({
      category: "Unauthenticated",
      code: "InvalidAuthHeader",
      message: "Could not parse as OIDC ID token. Token might not be an OIDC-compliant JWT.",
    });
  });

  it("is refused for times that are no numbers", async () => {
    const token = await sign(first, { exp: "tomorrow" as never });
    expect(await failure(authenticator().verifyUserToken(token))).toEqual(badClaim);
    authProviders = [customJwt()];
    expect((await failure(authenticator().verifyUserToken(token))).message).toMatch(
      /^Could not validate token: /,
    );
  });
});

describe("an algorithm that was not agreed on", () => {
  /** What a forger can make of the published key alone. */
  function forgeries(): string[] {
    const secret = JSON.stringify(first.publicJwk);
    const unsigned = ["none", "None", "nOnE"].map(
      (alg) => `${encode({ alg, kid: "first" })}.${encode(goodClaims())}.`,
    );
    const text = `${encode({ alg: "HS256", kid: "first" })}.${encode(goodClaims())}`;
    return [...unsigned, `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`];
  }

  it("is refused, none of all first", async () => {
    for (const token of forgeries())
      expect(await failure(authenticator().verifyUserToken(token))).toEqual(badClaim);
    authProviders = [customJwt()];
    for (const token of forgeries())
      expect(await failure(authenticator().verifyUserToken(token))).toEqual(unknownKey("first"));
  });
});

describe("clocks that differ", () => {
  it("by 5 seconds do not matter for when a token begins; an OIDC token ends to the second", async () => {
    const begins = (offset: number) => sign(first, { nbf: seconds(offset), iat: seconds(offset) });
    expect(await authenticator().verifyUserToken(await begins(5))).toMatchObject({ kind: "user" });
    expect(await failure(authenticator().verifyUserToken(await begins(6)))).toEqual(badClaim);
    const ends = (offset: number) => sign(first, { exp: seconds(offset) });
    expect(await authenticator().verifyUserToken(await ends(1))).toMatchObject({
      expiresAtMs: startMs + 1000,
    });
    for (const offset of [0, -1])
      expect(await failure(authenticator().verifyUserToken(await ends(offset)))).toEqual(badClaim);
    // When it was issued is nobody's business.
    expect(await authenticator().verifyUserToken(await sign(first, { iat: seconds(900) }))).toMatchObject({
      kind: "user",
    });
  });

  it("by 5 seconds do not matter for custom JWTs at either end", async () => {
    authProviders = [customJwt()];
    for (const claims of [{ nbf: seconds(5) }, { exp: seconds(-4) }])
      expect(await authenticator().verifyUserToken(await sign(first, claims))).toMatchObject({
        kind: "user",
      });
    for (const claims of [{ nbf: seconds(6) }, { exp: seconds(-5) }])
      expect((await failure(authenticator().verifyUserToken(await sign(first, claims)))).message).toMatch(
        /^Could not validate token: /,
      );
  });
});

describe("several providers with one issuer", () => {
  it("are told apart by the audience, and the first that fits is asked", async () => {
    authProviders = [oidc("web"), customJwt("api"), customJwt()];
    const verified = async (aud: unknown) => {
      const token = await sign(first, { aud: aud as string, email: "a@x" });
      return authenticator().verifyUserToken(token);
    };
    // A custom JWT lives on for its leeway.
    expect(await verified("web")).toMatchObject({ expiresAtMs: startMs + 3_600_000 });
    expect(await verified("api")).toMatchObject({ expiresAtMs: startMs + 3_605_000 });
    // It was chosen though it takes tokens of one audience only: the order of the providers decides.
    expect(await failure(verified(["api", "web"]))).toEqual(badClaim);
  });

  it("without an application id take any audience, and none", async () => {
    authProviders = [oidc("web"), customJwt()];
    for (const aud of [undefined, "x", ["x", "y"], 7])
      expect(await authenticator().verifyUserToken(await sign(first, { aud: aud as string }))).toMatchObject({
        attributes: { subject: "u1" },
      });
    authProviders = [customJwt("api"), oidc("web")];
    for (const aud of [undefined, "x", []])
      expect(
        await failure(authenticator().verifyUserToken(await sign(first, { aud: aud as string }))),
      ).toMatchObject({ category: "Unauthenticated", code: "NoAuthProvider" });
  });
});

describe("a provider that answers with something else", () => {
  const discoveryFailed = (detail: string) => ({
    code: "AuthProviderDiscoveryFailed",
    message: `Auth provider discovery of ${provider.url} failed: ${detail}`,
  });
  const answering = (path: string, answer: (response: ServerResponse) => void) => {
    provider.fault = (request, response) => {
      if (request.url === path) answer(response);
      return request.url === path;
    };
  };

  it("is refused where it says no, or nothing of use", async () => {
    for (const body of ["<html>", "null", "[]", '{"jwks_uri":7}']) {
      answering(discoveryPath, (response) => response.end(body));
      expect(await failure(authenticator().verifyUserToken(await sign(first)))).toEqual({
        category: "BadRequest",
        ...discoveryFailed(`200 ${body}`),
      });
    }
    for (const body of ["<html>", "null", "{}", '{"keys":7}', '{"keys":[7]}']) {
      answering("/jwks", (response) => response.end(body));
      expect(await failure(authenticator().verifyUserToken(await sign(first)))).toEqual({
        category: "Unauthenticated",
        code: "InvalidAuthHeader",
        message: `Could not parse the JWKS of '${provider.url}/jwks': it must be {"keys": [...]}.`,
      });
    }
  });

  it("may redirect, though not for ever", async () => {
    answering(discoveryPath, (response) => response.writeHead(302, { location: "/moved" }).end());
    const serve = provider.fault;
    provider.fault = (request, response) => {
      if (request.url !== "/moved") return serve(request, response);
      response.end(JSON.stringify({ jwks_uri: `${provider.url}/jwks` }));
      return true;
    };
    expect(await authenticator().verifyUserToken(await sign(first))).toMatchObject({ kind: "user" });
    answering(discoveryPath, (response) => response.writeHead(302, { location: discoveryPath }).end());
    const { category, message } = await failure(authenticator().verifyUserToken(await sign(first)));
    expect(category).toBe("Overloaded");
    expect(message).toMatch(/^Auth provider discovery of .* failed: /);
  });

  it.each([discoveryPath, "/jwks"])("without end is hung up on: %s", async (path) => {
    let closed = (): void => {};
    const hungUp = new Promise<void>((resolve) => {
      closed = resolve;
    });
    answering(path, (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(64 * 1024, " ");
      const more = (): void => {
        while (response.write(chunk));
      };
      response.on("drain", more);
      response.on("close", closed);
      more();
    });
    expect(await failure(authenticator().verifyUserToken(await sign(first)))).toMatchObject({
      category: "Overloaded",
      message: expect.stringContaining("the answer is larger than 1048576 bytes") as string,
    });
    await hungUp;
  });

  it("that stops in the middle is given up after a while, and asked again by the next token", async () => {
    const gaveUp = new AbortController();
    const limits: number[] = [];
    const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((delayMs) => {
      limits.push(delayMs);
      return gaveUp.signal;
    });
    answering(discoveryPath, (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"jwks_uri":', () => gaveUp.abort(new Error("it took too long")));
    });
    const auth = authenticator();
    expect(await failure(auth.verifyUserToken(await sign(first)))).toEqual({
      category: "Overloaded",
      ...discoveryFailed("it took too long"),
    });
    expect(limits).toEqual([10_000]);
    timeout.mockRestore();
    provider.fault = () => false;
    clock.now += 1000;
    expect(await auth.verifyUserToken(await sign(first))).toMatchObject({ kind: "user" });
  });
});

describe("an outage", () => {
  it("ends for the next token a second after its last failure, however many there were", async () => {
    const auth = authenticator();
    provider.discoveryStatus = 503;
    for (let i = 0; i < 3; i++) {
      expect(await failure(auth.verifyUserToken(await sign(first)))).toMatchObject({
        category: "Overloaded",
      });
      clock.now += 1000;
    }
    provider.discoveryStatus = 200;
    expect(await auth.verifyUserToken(await sign(first))).toMatchObject({ kind: "user" });
  });

  it("after the provider has said no falls back on what it said before", async () => {
    const auth = authenticator();
    await auth.verifyUserToken(await sign(first));
    clock.now += 10 * 60_000;
    provider.discoveryStatus = 404;
    expect(await failure(auth.verifyUserToken(await sign(first)))).toMatchObject({ category: "BadRequest" });
    clock.now += 1000;
    provider.discoveryStatus = 503;
    expect(await auth.verifyUserToken(await sign(first))).toMatchObject({ kind: "user" });
  });

  it("is not made worse by tokens with unknown keys", async () => {
    const auth = authenticator();
    await auth.verifyUserToken(await sign(first));
    clock.now += 10_000;
    provider.jwksStatus = 503;
    for (let i = 0; i < 5; i++)
      expect(await failure(auth.verifyUserToken(await sign(second)))).toEqual(badClaim);
    expect(provider.requests).toBe(3);
    expect(await auth.verifyUserToken(await sign(first))).toMatchObject({ kind: "user" });
  });
});

describe("a key rotation", () => {
  it.each<[string, { kid?: string }]>([
    ["is seen in tokens that name no key", {}],
    ["is seen though the new key has the old one's id", { kid: "first" }],
  ])("%s", async (_, header) => {
    const auth = authenticator();
    await auth.verifyUserToken(await sign(first, {}, header));
    provider.keys = [{ ...second.publicJwk, kid: "first" }];
    clock.now += 10_000;
    expect(await auth.verifyUserToken(await sign(second, {}, header))).toMatchObject({ kind: "user" });
    expect(await failure(auth.verifyUserToken(await sign(first, {}, header)))).toEqual(badClaim);
    expect(provider.requests).toBe(3);
  });

  it("makes many tokens of the new key ask once", async () => {
    const auth = authenticator();
    await auth.verifyUserToken(await sign(first));
    provider.keys = [first.publicJwk, second.publicJwk];
    clock.now += 10_000;
    const token = await sign(second);
    await Promise.all(Array.from({ length: 20 }, () => auth.verifyUserToken(token)));
    expect(provider.requests).toBe(3);
  });
});
