import { expect, it } from "vitest";
import type { Deployment } from "./world.ts";

/** Better Auth, with sessions and tokens of our own site. */
export function betterAuthPackage(app: () => Deployment): void {
  it("better-auth: signs up, in and out; its tokens are checked with the JWKS of our own site", async () => {
    const person = { email: "me@example.com", password: "correct horse battery", name: "Me" };
    const post = (path: string, body: object, cookie = "") =>
      fetch(`${app().server.siteUrl}/api/auth${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: app().server.siteUrl, cookie },
        body: JSON.stringify(body),
      });
    expect((await post("/sign-up/email", person)).status).toBe(200);
    const wrong = await post("/sign-in/email", { ...person, password: "wrong horse battery" });
    expect(wrong.status).toBe(401);
    const signedIn = await post("/sign-in/email", person);
    expect(signedIn.status).toBe(200);
    const cookies = signedIn.headers.getSetCookie().map((cookie) => cookie.split(";")[0] ?? "");
    const cookie = cookies.join("; ");
    const token = /better-auth\.convex_jwt=([^;]+)/.exec(cookie)?.[1] ?? "";
    const answer = await fetch(`${app().server.url}/api/query`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ path: "auth:me", args: {}, format: "json" }),
    });
    expect(await answer.json()).toMatchObject({
      status: "success",
      value: { email: "me@example.com", name: "Me" },
    });
    const session = async () =>
      (await fetch(`${app().server.siteUrl}/api/auth/get-session`, { headers: { cookie } })).json();
    expect(await session()).toMatchObject({ user: { email: "me@example.com" } });
    expect((await post("/sign-out", {}, cookie)).status).toBe(200);
    expect(await session()).toBeNull();
  });
}
