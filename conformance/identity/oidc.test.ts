import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference } from "convex/server";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { OidcIssuer } from "./oidcIssuer.ts";

const whoami = makeFunctionReference<"query", Record<string, never>, Record<string, unknown> | null>(
  "who:ami",
);
const note = makeFunctionReference<"mutation", { text: string }, string>("who:note");
const tokenOf = makeFunctionReference<"mutation", Record<string, never>, string | null>("who:token");
const tokensOf = makeFunctionReference<"action", Record<string, never>, (string | null)[]>("who:tokens");
const notes = makeFunctionReference<"query", Record<string, never>, string[]>("who:notes");

let server: TestServer;
let first: OidcIssuer;
let second: OidcIssuer;
let slow: OidcIssuer;
let customToken: (
  claims: Record<string, unknown>,
  options?: { expiresInS?: number; kid?: string },
) => Promise<string>;

const customIssuer = "https://issuer.custom.test";

beforeAll(async () => {
  [first, second, slow] = await Promise.all([
    OidcIssuer.start({ applications: ["lenslet-app", "other-app"] }),
    OidcIssuer.start({ lifetimeS: 6 }),
    OidcIssuer.start(),
  ]);
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const keys = [{ ...(await exportJWK(publicKey)), kid: "custom", alg: "ES256", use: "sig" }];
  const jwks = `data:application/json;base64,${Buffer.from(JSON.stringify({ keys })).toString("base64")}`;
  customToken = (claims, { expiresInS = 3600, kid = "custom" } = {}) => {
    const nowS = Math.floor(Date.now() / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid })
      .setIssuer(customIssuer)
      .setAudience("custom-app")
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + expiresInS)
      .sign(privateKey);
  };
  server = await TestServer.start();
  await server.updateEnvironment({ FIRST: first.url, SECOND: second.url, SLOW: slow.url, JWKS: jwks });
  const project = TestProject.create().connect(server);
  project.write(
    "convex/auth.config.ts",
    `export default { providers: [
       { domain: process.env.FIRST!, applicationID: "lenslet-app" },
       { domain: process.env.SECOND!, applicationID: "lenslet-app" },
       { domain: process.env.SLOW!, applicationID: "lenslet-app" },
       { type: "customJwt", issuer: "${customIssuer}", jwks: process.env.JWKS!, algorithm: "ES256", applicationID: "custom-app" },
     ] };`,
  );
  project.write(
    "convex/who.ts",
    `import { v } from "convex/values";
     import { api } from "./_generated/api";
     import { action, mutation, query } from "./_generated/server";
     export const ami = query({ args: {}, handler: async (ctx) => await ctx.auth.getUserIdentity() });
     export const note = mutation({ args: { text: v.string() }, handler: async (ctx, { text }) => {
       const identity = await ctx.auth.getUserIdentity();
       await ctx.db.insert("notes", { text, by: identity?.subject ?? null });
       return identity?.subject ?? "nobody";
     } });
     export const token = mutation({ args: {}, handler: async (ctx) => (await ctx.meta.getRequestMetadata()).authToken });
     export const tokens = action({ args: {}, handler: async (ctx): Promise<(string | null)[]> =>
       [(await ctx.meta.getRequestMetadata()).authToken, await ctx.runMutation(api.who.token, {})] });
     export const notes = query({ args: {}, handler: async (ctx) => {
       const identity = await ctx.auth.getUserIdentity();
       const all = await ctx.db.query("notes").collect();
       return all.filter((note) => note.by === identity?.subject).map((note) => note.text);
     } });`,
  );
  project.write(
    "convex/schema.ts",
    `import { defineSchema, defineTable } from "convex/server";
     import { v } from "convex/values";
     export default defineSchema({ notes: defineTable({ text: v.string(), by: v.union(v.string(), v.null()) }) });`,
  );
  const pushed = await project.convex(["dev", "--once", "--typecheck", "disable"]);
  expect(pushed.code, pushed.output).toBe(0);
});
afterAll(async () => {
  await server?.dispose();
  await Promise.all([first, second, slow].map((issuer) => issuer?.close()));
});

function as(token: string | null): ConvexHttpClient {
  const client = new ConvexHttpClient(server.url);
  if (token !== null) client.setAuth(token);
  return client;
}

/** Status and body of a query with this Authorization header. */
async function refused(authorization: string): Promise<unknown> {
  const response = await fetch(`${server.url}/api/query`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body: JSON.stringify({ path: "who:ami", args: {}, format: "json" }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}
const bearer = (token: string) => refused(`Bearer ${token}`);

/** A token with other contents and the signature it had. */
function forged(token: string, change: Record<string, unknown>): string {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  return [
    header,
    Buffer.from(JSON.stringify({ ...claims, ...change })).toString("base64url"),
    signature,
  ].join(".");
}

describe("identities of oidc-provider's tokens", () => {
  it("have the claims of the user, by their provider", async () => {
    const ann = { sub: "ann", name: "Ann", email: "ann@a.test", email_verified: true, plan: { tier: 2 } };
    const token = await first.idToken({ ...ann, updated_at: 1_700_000_000 });
    expect(await as(token).query(whoami, {})).toEqual(
      expect.objectContaining({
        tokenIdentifier: `${first.url}|ann`,
        issuer: first.url,
        subject: "ann",
        name: "Ann",
        email: "ann@a.test",
        emailVerified: true,
        updatedAt: "2023-11-14T22:13:20.000Z",
        plan: { tier: 2 },
      }),
    );
    const other = await as(await second.idToken({ sub: "ann" })).query(whoami, {});
    expect(other).toMatchObject({ tokenIdentifier: `${second.url}|ann`, subject: "ann" });
    const custom = await as(await customToken({ sub: "ann", email: "x", properties: { id: 7 } })).query(
      whoami,
      {},
    );
    expect(custom).toEqual({
      tokenIdentifier: `${customIssuer}|ann`,
      issuer: customIssuer,
      subject: "ann",
      email: "x",
      "properties.id": 7,
    });
    expect(await as(null).query(whoami, {})).toBeNull();
  });

  it("are known to mutations and actions by the token itself", async () => {
    const token = await first.idToken({ sub: "bea" });
    expect(await as(token).mutation(tokenOf, {})).toBe(token);
    expect(await as(token).action(tokensOf, {})).toEqual([token, token]);
    expect(await as(null).action(tokensOf, {})).toEqual([null, null]);
    const client = new ConvexClient(server.url);
    try {
      client.setAuth(async () => token);
      await until("the session has its token", async () => (await client.mutation(tokenOf, {})) === token);
    } finally {
      await client.close();
    }
  });

  it("cost one discovery and one key set, however many log in at once", async () => {
    const tokens = await Promise.all(["b0", "b1", "b2"].map(async (sub) => first.idToken({ sub })));
    await Promise.all([...tokens, ...tokens, ...tokens].map((token) => as(token).query(whoami, {})));
    const asked = first.requests.filter(
      (path) => path === "/.well-known/openid-configuration" || path === "/jwks",
    );
    expect(asked.toSorted()).toEqual(["/.well-known/openid-configuration", "/jwks"]);
  });

  it("live on in a session whose provider changes its keys, and new tokens are accepted", async () => {
    const client = new ConvexClient(server.url);
    try {
      let logins = 0;
      const fetchToken = async () => {
        logins += 1;
        return first.idToken({ sub: "carl", plan: logins });
      };
      client.setAuth(fetchToken);
      const seen: unknown[] = [];
      client.onUpdate(whoami, {}, (identity) => seen.push(identity?.["plan"]));
      await until("the session shows its identity", () => seen.at(-1) === logins && logins > 0);
      await first.rotateKeys();
      expect(await client.mutation(note, { text: "with the old key" })).toBe("carl");
      // The server asks a provider for its keys again when it has not done so for ten seconds.
      await new Promise((resolve) => setTimeout(resolve, 10_500));
      const before = logins;
      client.setAuth(fetchToken);
      await until("the session shows its new token", () => logins > before && seen.at(-1) === logins);
      expect(await client.mutation(note, { text: "with the new key" })).toBe("carl");
      expect(await as(await first.idToken({ sub: "carl" })).query(notes, {})).toEqual([
        "with the old key",
        "with the new key",
      ]);
    } finally {
      await client.close();
    }
  });

  it("end with their token, and the official client gets a new one in time", async () => {
    // Six seconds each.
    const client = new ConvexClient(server.url);
    try {
      let logins = 0;
      client.setAuth(async () => {
        logins += 1;
        return second.idToken({ sub: "dora", plan: logins });
      });
      const seen: unknown[] = [];
      client.onUpdate(whoami, {}, (identity) => seen.push(identity?.["plan"] ?? "nobody"));
      await until("four tokens were used", () => logins >= 4 && seen.at(-1) === logins);
      expect(seen).not.toContain("nobody");
    } finally {
      await client.close();
    }
    const token = await second.idToken({ sub: "emil" });
    expect(await as(token).query(whoami, {})).toMatchObject({ subject: "emil" });
    await new Promise((resolve) => setTimeout(resolve, 7000));
    expect(await bearer(token)).toEqual({
      status: 401,
      code: "Unauthenticated",
      message:
        "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
    });
  });
});

describe("a provider that does not answer", () => {
  it("keeps nobody waiting but those who come with its tokens", async () => {
    const token = await slow.idToken({ sub: "fay" });
    const good = await first.idToken({ sub: "gus" });
    slow.state = "slow";
    let ended = false;
    const waiting = bearer(token).finally(() => {
      ended = true;
    });
    const socket = new ConvexClient(server.url);
    try {
      socket.setAuth(async () => token);
      await until("the provider is asked", () => slow.requests.includes("/.well-known/openid-configuration"));
      const client = as(good);
      for (let i = 0; i < 20; i++)
        expect(await client.mutation(note, { text: `meanwhile ${i}` })).toBe("gus");
      expect(await client.query(notes, {})).toHaveLength(20);
      expect(ended).toBe(false);
      expect(await waiting).toMatchObject({ status: 503, code: "AuthProviderDiscoveryFailed" });
      // The session of the official client waits for its identity, and gets it when the provider is back.
      const seen: unknown[] = [];
      socket.onUpdate(whoami, {}, (identity) => seen.push(identity?.["subject"] ?? null));
      slow.state = "up";
      await until("the session has its identity", () => seen.includes("fay"));
      expect(seen).toEqual(["fay"]);
    } finally {
      await socket.close();
    }
  });

  it("does not end the sessions of those it has identified", async () => {
    const token = await slow.idToken({ sub: "hal" });
    expect(await as(token).query(whoami, {})).toMatchObject({ subject: "hal" });
    slow.state = "failing";
    expect(await as(token).query(whoami, {})).toMatchObject({ subject: "hal" });
    slow.state = "up";
  });
});

describe("tokens that are refused", () => {
  it("are told apart by the reference's texts", async () => {
    const token = await first.idToken({ sub: "ida" });
    const unreadable = {
      status: 401,
      code: "InvalidAuthHeader",
      message:
        "Could not parse JWT payload. Check that the token is a valid JWT format with three base64-encoded parts separated by dots.",
    };
    for (const bad of ["x", "a.b.c", "..", token.split(".").slice(0, 1).join(".")])
      expect(await bearer(bad)).toEqual(unreadable);
    const claim = {
      status: 401,
      code: "Unauthenticated",
      message:
        "Could not verify OIDC token claim. Check that the token signature is valid and the token hasn't expired.",
    };
    expect(await bearer(forged(token, { sub: "admin" }))).toEqual(claim);
    expect(await bearer(forged(token, { aud: ["lenslet-app", "other-app"] }))).toEqual(claim);
    expect(await bearer(forged(token, { iss: undefined }))).toMatchObject({
      message:
        "Missing issuer claim ('iss') in JWT payload. The JWT must include an 'iss' claim that matches one of your configured auth providers.",
    });
    const noProvider = (await bearer(await first.idToken({ sub: "ida" }, "other-app"))) as {
      message: string;
    };
    expect(noProvider).toMatchObject({ status: 401, code: "NoAuthProvider" });
    expect(noProvider.message).toMatch(/^No auth provider found matching the given token/);
    expect(await bearer(forged(token, { iss: "https://elsewhere.test" }))).toMatchObject({
      code: "NoAuthProvider",
    });
    expect(await refused(`Basic ${token}`)).toMatchObject({
      status: 400,
      message: "Header must begin with `bearer `",
    });
  });

  it("of a custom provider too, with five seconds of leeway", async () => {
    const late = await customToken({ sub: "j" }, { expiresInS: -1 });
    expect(await as(late).query(whoami, {})).toMatchObject({ subject: "j" });
    expect(await bearer(await customToken({ sub: "j" }, { expiresInS: -60 }))).toMatchObject({
      status: 401,
      code: "InvalidAuthHeader",
      message: expect.stringMatching(/^Could not validate token: /) as string,
    });
    expect(await bearer(await customToken({ sub: "j" }, { kid: "unknown" }))).toMatchObject({
      message:
        "Could not decode token. The JWT's 'kid' (key ID) header is 'unknown', does this key match any key in the provider's JWKS?",
    });
    expect(await bearer(await customToken({}))).toMatchObject({ message: "Missing subject" });
  });
});
