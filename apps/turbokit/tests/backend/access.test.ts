import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../../../conformance/support/until.ts";
import { readFolder } from "../../packages/backend/lint/folder.ts";
import { registrationsOf } from "../../packages/backend/lint/registrations.ts";
import { Sources } from "../../packages/backend/lint/sources.ts";
import { api } from "../../packages/backend/convex/_generated/api.js";
import { backendFolder, type Person, TurboServer } from "../support/turboServer.ts";

/*
 * Every public function there is, called by nobody, by somebody without an account, and by somebody else than the one
 * whose things it is about. A function that is added has to be added here: the list of them is read from the code.
 */

const publicFunctions = registrationsOf(new Sources(readFolder(path.join(backendFolder, "convex"))))
  .filter(({ isPublic }) => isPublic)
  .map(({ file, name, kind }) => ({ name: `${file.replace(/\.ts$/, "")}:${name}`, kind }))
  .toSorted((a, b) => a.name.localeCompare(b.name));

interface Case {
  readonly args: Record<string, unknown>;
  /** The code that somebody else gets; "own": they get what is theirs, and nothing of Ann's; "open": it is for everybody. */
  readonly other: string;
}

let turbo: TurboServer;
let ann: Person;
let bob: Person;
let cases: Record<string, Case>;
/** Ids and texts of Ann's that nobody else may see. */
let secrets: string[];

beforeAll(async () => {
  turbo = await TurboServer.start();
  [ann, bob] = await Promise.all([turbo.welcomed("Ann"), turbo.welcomed("Bob")]);
  const { client } = ann;
  const id = await client.mutation(api.projects.create, { name: "Annsecret" });
  const gone = await client.mutation(api.projects.create, { name: "Anngone" });
  await client.mutation(api.projects.remove, { id: gone });
  const message = await client.mutation(api.messages.send, { projectId: id, body: "Annwhisper" });
  const threadId = await client.mutation(api.agents.threads.create, { title: "Annthread" });
  const { key } = await client.mutation(api.uploads.generateUploadUrl, { name: "annfile.txt" });
  const [upload] = await client.query(api.uploads.list, {});
  const beat = { roomId: id, userId: ann.id, sessionId: "a", interval: 10_000 };
  const { workflowId } = await turbo.onboarding(ann);
  const page = { paginationOpts: { numItems: 10, cursor: null } };
  secrets = [ann.id, id, gone, message, threadId, key, workflowId, "Annsecret", "Annwhisper", ann.email];
  cases = {
    "agents/actions:chat": { args: { threadId, message: "Hi" }, other: "NOT_FOUND" },
    "agents/threads:create": { args: { projectId: id }, other: "NOT_FOUND" },
    "agents/threads:list": { args: page, other: "own" },
    "agents/threads:messages": { args: { threadId, ...page }, other: "NOT_FOUND" },
    "agents/threads:remove": { args: { threadId }, other: "NOT_FOUND" },
    "ai:generate": { args: { prompt: "Hi" }, other: "own" },
    "analytics:track": { args: { event: "page_viewed" }, other: "own" },
    "app/ai/actions:generateSummary": { args: { projectId: id }, other: "NOT_FOUND" },
    "billing:buyCredits": { args: { pack: "small" }, other: "own" },
    "billing:cancelPlan": { args: {}, other: "own" },
    "billing:checkout": { args: { plan: "pro" }, other: "own" },
    "billing:ledger": { args: page, other: "own" },
    "billing:packs": { args: {}, other: "open" },
    "billing:plans": { args: {}, other: "open" },
    "billing:portal": { args: {}, other: "own" },
    "billing:refresh": { args: {}, other: "own" },
    "billing:summary": { args: {}, other: "own" },
    "emails:list": { args: {}, other: "own" },
    "messages:list": { args: { projectId: id, ...page }, other: "NOT_FOUND" },
    "messages:remove": { args: { id: message }, other: "NOT_FOUND" },
    "messages:send": { args: { projectId: id, body: "Hi" }, other: "NOT_FOUND" },
    // The token is the secret: whoever does not have it ends nothing.
    "presence:disconnect": { args: { sessionToken: "guessed" }, other: "open" },
    "presence:heartbeat": { args: beat, other: "UNAUTHORIZED" },
    "presence:list": { args: { roomToken: "guessed" }, other: "own" },
    "projects:create": { args: { name: "Mine" }, other: "own" },
    "projects:get": { args: { id }, other: "own" },
    "projects:list": { args: {}, other: "own" },
    "projects:listPublic": { args: page, other: "own" },
    "projects:page": { args: page, other: "own" },
    "projects:remove": { args: { id }, other: "NOT_FOUND" },
    "projects:restore": { args: { id: gone }, other: "NOT_FOUND" },
    "projects:search": { args: { query: "Annsecret" }, other: "own" },
    "projects:update": { args: { id, name: "Mine" }, other: "NOT_FOUND" },
    "uploads:generateUploadUrl": { args: { projectId: id }, other: "NOT_FOUND" },
    "uploads:list": { args: { projectId: id }, other: "NOT_FOUND" },
    "uploads:remove": { args: { id: upload?._id }, other: "NOT_FOUND" },
    "uploads:syncMetadata": { args: { key }, other: "NOT_FOUND" },
    "users:completeOnboarding": { args: {}, other: "own" },
    "users:ensure": { args: {}, other: "own" },
    "users:me": { args: {}, other: "own" },
    "users:onboarding": { args: {}, other: "own" },
    "users:updateUser": { args: { id: ann.id, update: { name: "Mine" } }, other: "UNAUTHORIZED" },
    "workflows/admin:cancel": { args: { workflowId }, other: "UNAUTHORIZED" },
    "workflows/admin:list": { args: page, other: "UNAUTHORIZED" },
    "workflows/admin:restart": { args: { workflowId }, other: "UNAUTHORIZED" },
    "workflows/admin:steps": { args: { workflowId }, other: "UNAUTHORIZED" },
    // Last, for afterwards there is nobody any more.
    "users:remove": { args: {}, other: "own" },
  };
}, 240_000);
afterAll(async () => {
  await turbo?.close();
});

interface Answer {
  readonly status: string;
  readonly value?: unknown;
  readonly errorData?: { readonly code: string };
  readonly errorMessage?: string;
}

/** Calls a function as a page would, with the token of somebody or of nobody. */
async function call(name: string, args: unknown, token: string | null): Promise<Answer> {
  const { kind } = publicFunctions.find((each) => each.name === name) ?? { kind: "query" };
  const response = await fetch(`${turbo.server.url}/api/${kind}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ path: name, args, format: "json" }),
  });
  return (await response.json()) as Answer;
}

const resultOf = ({ status, errorData, errorMessage }: Answer) =>
  status === "success" ? "success" : (errorData?.code ?? errorMessage ?? "?");

describe("every public function", () => {
  it("is in this test", () => {
    expect(Object.keys(cases).toSorted((a, b) => a.localeCompare(b))).toEqual(
      publicFunctions.map(({ name }) => name),
    );
  });

  it("refuses nobody's calls, but for those that are for everybody", async () => {
    const results = new Map<string, string>();
    for (const [name, { args }] of Object.entries(cases))
      results.set(name, resultOf(await call(name, args, null)));
    const open = [...results].filter(([, result]) => result === "success").map(([name]) => name);
    expect(open).toEqual(["billing:packs", "billing:plans", "presence:disconnect", "users:me"]);
    const others = [...results].filter(([name]) => !open.includes(name));
    expect(others.filter(([, result]) => result !== "UNAUTHENTICATED")).toEqual([]);
    expect((await call("users:me", {}, null)).value).toBeNull();
  });

  it("refuses somebody who has a token but no account", async () => {
    const token = await turbo.clerk.idToken({ email: "stranger@example.com", name: "Stranger" });
    for (const [name, { args, other }] of Object.entries(cases)) {
      if (other === "open" || ["users:ensure", "users:me"].includes(name)) continue;
      expect([name, resultOf(await call(name, args, token))]).toEqual([name, "USER_NOT_FOUND"]);
    }
  });

  it("refuses a forged token", async () => {
    const [head = "", body = "", signature = ""] = ann.token.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: "user_admin" })).toString("base64url");
    const answer = await call("projects:list", {}, `${head}.${forged}.${signature}`);
    expect(answer.status ?? "refused").not.toBe("success");
  });

  it("gives and changes nothing of another's", async () => {
    const before = await ann.client.query(api.projects.list, {});
    for (const [name, { args, other }] of Object.entries(cases)) {
      const answer = await call(name, args, bob.token);
      const expected = ["own", "open"].includes(other) ? "success" : other;
      expect([name, resultOf(answer)]).toEqual([name, expected]);
      const text = JSON.stringify(answer);
      expect([name, secrets.filter((secret) => text.includes(secret))]).toEqual([name, []]);
    }
    expect(await ann.client.query(api.projects.list, {})).toEqual(before);
    expect(await ann.client.query(api.users.me, {})).toMatchObject({
      name: "Ann",
      plan: "free",
      credits: 100,
    });
    await eventually(async () => (await bob.client.query(api.users.me, {})) === null);
  });

  it("keeps internal functions inside", async () => {
    const answer = await call("billing:setPlan", { userId: bob.id, plan: "enterprise" }, bob.token);
    expect(answer.status).toBe("error");
    expect(answer.errorMessage).toContain("Could not find public function");
  });
});
