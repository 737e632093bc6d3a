import { afterEach, expect, it, vi } from "vitest";
import { internal } from "../../_generated/api.js";
import { type Backend, startBackend } from "../../tests/backend.support.ts";

const mail = { to: "ada@example.com", subject: "Hello", text: "You there?" };
const { deliver } = internal.functions.actions.mail;
afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function stubResend(answer: () => Promise<Response>) {
  const sent: RequestInit[] = [];
  vi.stubEnv("RESEND_API_KEY", "re_test");
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    expect(url).toBe("https://api.resend.com/emails");
    sent.push(init);
    return answer();
  });
  return sent;
}
const waiting = (backend: Backend) =>
  backend.run(async (ctx) =>
    (await ctx.db.system.query("_scheduled_functions").collect()).map(({ args }) => args[0]),
  );

it("goes out through Resend", async () => {
  const sent = stubResend(() => Promise.resolve(new Response("{}")));
  const backend = startBackend();
  vi.stubEnv("MAIL_FROM", "Chat <chat@example.com>");
  await backend.action(deliver, { ...mail, attempt: 1 });
  expect(JSON.parse(sent[0]?.body as string)).toEqual({ from: "Chat <chat@example.com>", ...mail });
  expect(new Headers(sent[0]?.headers).get("authorization")).toBe("Bearer re_test");
  expect(await waiting(backend)).toEqual([]);
});

it("is printed where there is no key", async () => {
  const print = vi.spyOn(console, "info").mockImplementation(() => {});
  await startBackend().action(deliver, { ...mail, attempt: 1 });
  expect(print).toHaveBeenCalledWith(expect.stringContaining("You there?"));
});

it.each([
  ["a server with a problem", () => Promise.resolve(new Response("", { status: 500 }))],
  ["too many requests", () => Promise.resolve(new Response("", { status: 429 }))],
  ["no connection", () => Promise.reject(new Error("ECONNREFUSED"))],
])("is tried again after %s, but not for ever", async (_, answer) => {
  stubResend(answer);
  const print = vi.spyOn(console, "error").mockImplementation(() => {});
  const backend = startBackend();
  await backend.action(deliver, { ...mail, attempt: 1 });
  expect(await waiting(backend)).toEqual([{ ...mail, attempt: 2 }]);
  await backend.action(deliver, { ...mail, attempt: 4 });
  expect(await waiting(backend)).toHaveLength(1);
  expect(print).toHaveBeenCalledOnce();
});

it("is given up when it is refused", async () => {
  stubResend(() => Promise.resolve(new Response("no such domain", { status: 403 })));
  const print = vi.spyOn(console, "error").mockImplementation(() => {});
  const backend = startBackend();
  await backend.action(deliver, { ...mail, attempt: 1 });
  expect(await waiting(backend)).toEqual([]);
  expect(print).toHaveBeenCalledWith(expect.stringContaining("no such domain"));
});
