import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api } from "../convex/_generated/api.js";
import { attemptLimits } from "../convex/model/limits.ts";
import { cookiesOf, linkIn, LiveServer, password } from "./support/liveServer.ts";

// Better Auth in its component, on a real server, spoken to over HTTP as the page does.

const { queries, mutations } = api.functions;
let server: LiveServer;

beforeAll(async () => {
  server = await LiveServer.startWithApp();
});
afterAll(async () => {
  await server?.close();
});

const account = ({ client }: Awaited<ReturnType<LiveServer["signUp"]>>) =>
  client.query(queries.users.getCurrentUser, {});

describe("signing up, in and out", () => {
  it("makes the account, and finds it again", async () => {
    const ada = await server.signUp("Ada O'Neil", { email: "Ada@Example.com", isConfirmed: false });
    const made = await account(ada);
    expect(made).toMatchObject({ name: "Ada O Neil", isActive: true, emailVerified: false });
    // Nobody has shown that the address is theirs: it is not known to others yet.
    expect(made).not.toHaveProperty("email");
    expect(await account(await server.signIn("ada@example.com"))).toMatchObject({ _id: made?._id });
    const wrong = await server.auth("/sign-in/email", { email: "ada@example.com", password: "wrong" });
    expect(wrong.status).toBe(401);
    const twice = await server.auth("/sign-up/email", { name: "Eve", email: "ADA@example.com", password });
    expect(twice.status).toBe(422);
    const short = await server.auth("/sign-up/email", {
      name: "Eve",
      email: "eve@example.com",
      password: "short",
    });
    expect(short.status).toBe(400);
  });

  it("ends the session, and with it the tokens made for it", async () => {
    const bob = await server.signUp("Bob Leaves");
    expect(await account(bob)).not.toBeNull();
    expect((await server.auth("/sign-out", {}, { cookie: bob.cookie })).status).toBe(200);
    expect(await account(bob)).toBeNull();
    expect(await bob.client.query(queries.sessions.isSessionOpen, {})).toBe(false);
    await expect(bob.client.mutation(mutations.chats.createChat, {})).rejects.toMatchObject({
      data: { code: "unauthenticated" },
    });
  });

  it("takes requests of the page's origin only", async () => {
    const { cookie } = await server.signUp("Cleo Origin");
    const foreign = { cookie, origin: "https://evil.example" };
    expect((await server.auth("/sign-out", {}, foreign)).status).toBe(403);
    const preflight = await fetch(`${server.siteUrl}/api/auth/sign-in/email`, {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    });
    expect(preflight.headers.get("access-control-allow-origin")).not.toBe("https://evil.example");
  });
});

describe("the e-mail address", () => {
  it("is confirmed by the link in the mail; shares that waited for it are there then", async () => {
    const dora = await server.signUp("Dora Owns");
    const chatId = await dora.client.mutation(mutations.chats.createChat, { title: "For Finn" });
    await dora.client.mutation(mutations.shares.shareChat, {
      chatId,
      email: "finn@example.com",
      canWrite: true,
    });
    expect((await server.mailTo("finn@example.com", "Dora Owns shares")).text).toContain("For Finn");
    const [waiting] = await dora.client.query(queries.shares.getChatShares, { chatId });
    expect(waiting).toMatchObject({ user: null, isPending: true, email: "finn@example.com" });

    const finn = await server.signUp("Finn Comes", { email: "finn@example.com", isConfirmed: false });
    const shared = async () =>
      (
        await finn.client.query(queries.shares.getSharedChats, {
          paginationOpts: { cursor: null, numItems: 9 },
        })
      ).page;
    // Whoever signs up with somebody's address has not got their chats.
    expect(await shared()).toEqual([]);
    const landed = await server.confirm("finn@example.com");
    expect(landed.headers.get("location")).toContain("/?verified=1");
    expect(await account(finn)).toMatchObject({ email: "finn@example.com", emailVerified: true });
    expect(await shared()).toMatchObject([{ _id: chatId, access: { canWrite: true } }]);
    const [there] = await dora.client.query(queries.shares.getChatShares, { chatId });
    expect(there).toMatchObject({ user: { name: "Finn Comes" }, isPending: false });
  });

  it("lets one choose a new password, which ends every session", async () => {
    const gil = await server.signUp("Gil Forgets");
    expect((await server.auth("/request-password-reset", { email: gil.email })).status).toBe(200);
    const link = new URL(linkIn(await server.mailTo(gil.email, "new password")));
    const token = link.searchParams.get("reset-token");
    const newPassword = "another horse altogether";
    expect((await server.auth("/reset-password", { token, newPassword })).status).toBe(200);
    expect((await server.auth("/reset-password", { token, newPassword })).status).toBe(400);
    expect(await account(gil)).toBeNull();
    expect((await server.auth("/sign-in/email", { email: gil.email, password })).status).toBe(401);
    expect(await account(await server.signIn(gil.email, newPassword))).toMatchObject({ name: "Gil Forgets" });
    // Whether an address has an account is nobody's business.
    expect((await server.auth("/request-password-reset", { email: "nobody@example.com" })).status).toBe(200);
  });
});

describe("attempts that are wrong", () => {
  const takePassword = (email: string) =>
    server.server.call("functions/mutations/attempts:take", { kind: "password", email });
  /** Wrong passwords, without the time that checking them takes. */
  const takePasswords = async (email: string, count: number) => {
    for (let time = 0; time < count; time++) expect(await takePassword(email)).toBe(0);
  };

  it("hold back whoever makes them, many at once too; the right password is then refused as well", async () => {
    const kim = await server.signUp("Kim Guessed", { isConfirmed: false });
    const { perAddressMax } = attemptLimits.password;
    const attempt = (tried: string) => server.auth("/sign-in/email", { email: kim.email, password: tried });
    await takePasswords(kim.email, perAddressMax - 1);
    const answers = await Promise.all(["one", "more", "guess"].map(attempt));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([401, 429, 429]);
    const refused = await attempt(password);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      code: "TOO_MANY_ATTEMPTS",
      message: expect.stringMatching(/^Too many attempts\. Please try again in (a minute|\d+ minutes)\.$/),
    });
    // Who is signed in stays so, and nobody else is held back.
    expect(await account(kim)).toMatchObject({ name: "Kim Guessed" });
    const liv = await server.signUp("Liv Remembers", { isConfirmed: false });
    expect((await server.auth("/sign-in/email", { email: liv.email, password: "wrong" })).status).toBe(401);
    for (let time = 0; time < 2; time++) await server.signIn(liv.email);
    await takePasswords(liv.email, perAddressMax);
    expect(await takePassword(liv.email)).toBeGreaterThan(0);
  });

  it("send no more than a few mails to an address", async () => {
    const email = "mona@example.com";
    const { perAddressMax } = attemptLimits.mail;
    const ask = () => server.auth("/request-password-reset", { email });
    for (let time = 0; time < perAddressMax; time++) expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(429);
  });
});

describe("sessions", () => {
  it("are listed with their devices, and revoked one by one or all", async () => {
    const first = await server.signUp("Hal Devices");
    const phone = await server.auth(
      "/sign-in/email",
      { email: first.email, password },
      {
        "user-agent":
          "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
      },
    );
    const third = await server.signIn(first.email);
    const list = () => first.client.query(queries.sessions.getSessions, {});
    const sessions = await list();
    expect(sessions).toHaveLength(3);
    expect(sessions.filter(({ isCurrent }) => isCurrent)).toHaveLength(1);
    const onPhone = sessions.find(({ platform }) => platform === "iOS");
    expect(onPhone).toMatchObject({ browser: "Safari", isCurrent: false });

    const stranger = await server.signUp("Ian Strange");
    const sessionId = onPhone?._id ?? ("" as never);
    await expect(
      stranger.client.mutation(mutations.sessions.revokeSession, { sessionId }),
    ).rejects.toMatchObject({ data: { code: "not_found" } });
    await first.client.mutation(mutations.sessions.revokeSession, { sessionId });
    expect(
      await (await server.auth("/get-session", undefined, { cookie: cookiesOf(phone) })).json(),
    ).toBeNull();
    expect(await list()).toHaveLength(2);

    expect(await account(third)).not.toBeNull();
    expect(await first.client.mutation(mutations.sessions.revokeOtherSessions, {})).toBe(1);
    expect(await account(third)).toBeNull();
    expect(await list()).toMatchObject([{ isCurrent: true }]);
  });
});

describe("deleting an account", () => {
  it("deletes whoever it was in Better Auth too; the address is free again", async () => {
    const jo = await server.signUp("Jo Goes");
    const chatId = await jo.client.mutation(mutations.chats.createChat, {});
    await jo.client.mutation(mutations.messages.sendMessage, { chatId, content: "Bye" });
    await jo.client.mutation(mutations.users.deleteUser, {});
    await expect.poll(() => account(jo), { timeout: 30_000 }).toBeNull();
    expect((await server.auth("/sign-in/email", { email: jo.email, password })).status).toBe(401);
    expect(await (await server.auth("/get-session", undefined, { cookie: jo.cookie })).json()).toBeNull();
    const again = await server.signUp("Jo Returns", { email: jo.email });
    expect(await account(again)).toMatchObject({ name: "Jo Returns", email: jo.email });
    const { page } = await again.client.query(queries.chats.getUserChats, {
      paginationOpts: { cursor: null, numItems: 9 },
    });
    expect(page).toEqual([]);
  });
});
