import { describe, expect, it } from "vitest";
import { components, internal } from "../../_generated/api.js";
import { authRow, mutations, queries, refusal, startBackend } from "../../tests/backend.support.ts";

const backend = startBackend();

/** A row of Better Auth's, with what its trigger makes of it. */
async function triggered(model: "user" | "session", data: object): Promise<string> {
  const doc = await authRow(backend, model, data);
  await backend.mutation(internal.auth.onCreate, { model, doc });
  return doc._id;
}

/** Somebody signed in in several places: a window for each. */
async function signedIn(name: string, places: number) {
  const email = `${name}@example.com`;
  const userId = await triggered("user", { name, email, emailVerified: true });
  const windows = [];
  for (let place = 0; place < places; place++) {
    const token = `${name}-${place}`;
    const sessionId = await triggered("session", { userId, token, expiresAt: Date.now() + 1e9 });
    windows.push(
      backend.withIdentity({ subject: userId, tokenIdentifier: `better-auth|${userId}`, sessionId }),
    );
  }
  return windows;
}
const sessionsOf = (window: Awaited<ReturnType<typeof signedIn>>[number] | undefined) =>
  window?.query(queries.sessions.getSessions, {}) ?? [];
const rowsLeft = (token: string) =>
  backend.query(async (ctx) => {
    const where = [{ field: "token", value: token }];
    return await ctx.runQuery(components.betterAuth.adapter.findOne, { model: "session", where });
  });

describe("sessions", () => {
  it("are ended one by one, here and in Better Auth", async () => {
    const [here, there] = await signedIn("Ada", 2);
    const [eve] = await signedIn("Eve", 1);
    const other = (await sessionsOf(here)).find(({ isCurrent }) => !isCurrent)?._id ?? ("" as never);
    expect(
      await refusal(
        eve?.mutation(mutations.sessions.revokeSession, { sessionId: other }) ?? Promise.resolve(),
      ),
    ).toMatchObject({ code: "not_found" });
    expect(await there?.query(queries.sessions.isSessionOpen, {})).toBe(true);
    await here?.mutation(mutations.sessions.revokeSession, { sessionId: other });
    expect(await there?.query(queries.sessions.isSessionOpen, {})).toBe(false);
    expect(await there?.query(queries.users.getCurrentUser, {})).toBeNull();
    expect(await rowsLeft("Ada-1")).toBeNull();
    expect(await rowsLeft("Ada-0")).not.toBeNull();
    expect(await sessionsOf(here)).toMatchObject([{ isCurrent: true }]);
  });

  it("are ended everywhere else at once", async () => {
    const [here, ...others] = await signedIn("Bob", 4);
    expect(await here?.mutation(mutations.sessions.revokeOtherSessions, {})).toBe(3);
    for (const other of others) expect(await other.query(queries.sessions.isSessionOpen, {})).toBe(false);
    expect(await here?.query(queries.sessions.isSessionOpen, {})).toBe(true);
    expect(await here?.mutation(mutations.sessions.revokeOtherSessions, {})).toBe(0);
  });
});
