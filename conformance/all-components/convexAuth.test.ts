import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { exportJWK, exportPKCS8, generateKeyPair } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Deployment, pushTimeoutMs } from "./world.ts";

/*
 * `@convex-dev/auth` in an app of its own: it and Better Auth both issue tokens in the name of the site, for the same
 * audience, and neither lets an app change that. A deployment takes the first provider of an issuer and audience, and
 * one key set for both does not help: this one's tokens do not name their key, as custom JWTs have to. Its packages are
 * those of the large app.
 */

interface SignedIn {
  readonly tokens: { readonly token: string; readonly refreshToken: string } | null;
}

let app: Deployment;
let anyone: ConvexHttpClient;

beforeAll(async () => {
  app = await Deployment.start("convexAuth");
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  await app.server.updateEnvironment({
    JWT_PRIVATE_KEY: (await exportPKCS8(privateKey)).trimEnd().replaceAll("\n", " "),
    JWKS: JSON.stringify({ keys: [{ use: "sig", ...(await exportJWK(publicKey)) }] }),
    SITE_URL: "https://app.example.com",
  });
  expect(await app.push()).toMatchObject({ code: 0 });
  anyone = new ConvexHttpClient(app.server.url);
}, pushTimeoutMs);
afterAll(() => app?.server.dispose());

const person = { email: "me@example.com", password: "correct horse battery" };
const signIn = async (params: object, client = anyone) =>
  (await client.action(anyApi["auth"]!["signIn"]!, params)) as SignedIn;
const withPassword = (flow: "signUp" | "signIn", changes: object = {}) =>
  signIn({ provider: "password", params: { flow, ...person, ...changes } });
const me = (token?: string) => {
  const client = new ConvexHttpClient(app.server.url);
  if (token !== undefined) client.setAuth(token);
  return client.query(anyApi["auth"]!["me"]!, {});
};
const whoIsThere = { email: "me@example.com", hasSession: true };

it("signs up and in; wrong passwords, short ones and second accounts are refused", async () => {
  await expect(withPassword("signIn")).rejects.toThrow("InvalidAccountId");
  await expect(withPassword("signUp", { password: "short" })).rejects.toThrow("Invalid password");
  const { tokens } = await withPassword("signUp");
  expect(await me(tokens?.token)).toEqual(whoIsThere);
  await expect(withPassword("signIn", { password: "wrong horse battery" })).rejects.toThrow("InvalidSecret");
  await expect(withPassword("signUp", { password: "another horse battery" })).rejects.toThrow(
    "Account me@example.com already exists",
  );
  expect(await me((await withPassword("signIn")).tokens?.token)).toEqual(whoIsThere);
  await expect(signIn({ provider: "nothing" })).rejects.toThrow("Provider `nothing` is not configured");
});

it("the server takes its tokens by the keys of its own site, and no others", async () => {
  const discovery = await fetch(`${app.server.siteUrl}/.well-known/openid-configuration`);
  expect(await discovery.json()).toMatchObject({
    issuer: app.server.siteUrl,
    jwks_uri: `${app.server.siteUrl}/.well-known/jwks.json`,
  });
  const { tokens } = await withPassword("signIn");
  const [header, payload, signature] = String(tokens?.token).split(".") as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { sub: string };
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: "somebody|else" })).toString("base64url");
  await expect(me(`${header}.${forged}.${signature}`)).rejects.toThrow("Could not verify OIDC token claim");
  expect(await me()).toBeNull();
});

it("refreshes its tokens once, and ends them with the session", async () => {
  const first = (await withPassword("signIn")).tokens;
  const second = (await signIn({ refreshToken: first?.refreshToken })).tokens;
  expect(second?.refreshToken).not.toBe(first?.refreshToken);
  expect(await me(second?.token)).toEqual(whoIsThere);
  await app.server.kill9();
  await app.server.start();
  const third = (await signIn({ refreshToken: second?.refreshToken })).tokens;
  expect(await me(third?.token)).toEqual(whoIsThere);

  const live = new ConvexClient(app.server.url);
  const seen: unknown[] = [];
  live.setAuth(async () => third?.token ?? null);
  live.onUpdate(anyApi["auth"]!["me"]!, {}, (value) => seen.push(value));
  await app.until("the client is signed in", async () => seen.length > 0);
  await live.action(anyApi["auth"]!["signOut"]!, {});
  await app.until("the session is gone", async () => seen.length > 1);
  await live.close();
  expect(seen).toEqual([whoIsThere, { email: "me@example.com", hasSession: false }]);
  expect(await signIn({ refreshToken: third?.refreshToken })).toEqual({ tokens: null });
});
