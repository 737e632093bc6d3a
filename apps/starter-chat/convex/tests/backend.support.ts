import betterAuth from "@convex-dev/better-auth/test";
import presence from "@convex-dev/presence/test";
import { convexTest, type TestConvexForDataModel } from "@lenslet/testing";
import { ConvexError } from "convex/values";
import { expect } from "vitest";
import { api, components } from "../_generated/api.js";
import type { DataModel, Id } from "../_generated/dataModel.js";
import type { ErrorData } from "../model/errors.ts";
import schema from "../schema.ts";

// What the tests of the functions share. The CLI pushes no file with two dots in its name.

const modules = import.meta.glob(["../**/*.{ts,js}", "!../**/*.test.ts", "!../tests/**"]);
export const { queries, mutations } = api.functions;
export const firstPage = { cursor: null, numItems: 50 };
let count = 0;

/** A deployment with the app in it, and nobody. */
export function startBackend() {
  const backend = convexTest(schema, modules);
  presence.register(backend as never);
  betterAuth.register(backend as never);
  return backend;
}
export type Backend = ReturnType<typeof startBackend>;

/** Somebody with a confirmed address, as a client of theirs would call. */
export type Person = TestConvexForDataModel<DataModel> & {
  readonly email: string;
  readonly userId: Id<"users">;
};

/** Whoever has signed in, before there is an account. */
export function visitor(backend: Backend, name: string, email: string, emailVerified = true) {
  return backend.withIdentity({
    subject: email,
    issuer: "https://issuer.example",
    name,
    email,
    emailVerified,
  });
}

export async function somebody(backend: Backend, prefix = "Ada"): Promise<Person> {
  const email = `${prefix.toLowerCase()}.${++count}@example.com`;
  const client = visitor(backend, `${prefix} ${count}`, email);
  const userId = await client.mutation(mutations.users.createUser, {});
  return Object.assign(client, { email, userId });
}

/** Why a call is refused. One that is accepted fails the test. */
export async function refusal(call: Promise<unknown>): Promise<ErrorData> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConvexError) return error.data as ErrorData;
    throw error;
  }
  throw new Error("the call was accepted");
}

/** Attempts that must all be refused. They are watched from the start: none may fail unheard. */
export function refusals(calls: readonly Promise<unknown>[]): Promise<ErrorData[]> {
  return Promise.all(calls.map(refusal));
}

export const listMessages = (client: Caller, chatId: Id<"chats">, order: "asc" | "desc" = "asc") =>
  client.query(queries.messages.getChatMessages, { chatId, order, paginationOpts: firstPage });
export const listChats = (client: Caller, archived = false) =>
  client.query(queries.chats.getUserChats, { archived, paginationOpts: firstPage });
export type Caller = Pick<TestConvexForDataModel<DataModel>, "query" | "mutation">;

export const say = (client: Caller, chatId: Id<"chats">, content: string) =>
  client.mutation(mutations.messages.sendMessage, { chatId, content });
export const makeChat = (client: Caller, title?: string) =>
  client.mutation(mutations.chats.createChat, title === undefined ? {} : { title });

/** A chat of Ada's in which Bob may write. */
export async function sharedChat(backend: Backend) {
  const [ada, bob] = [await somebody(backend, "Ada"), await somebody(backend, "Bob")];
  const chatId = await makeChat(ada);
  const share = { chatId, email: bob.email, canWrite: true };
  const shareId = await ada.mutation(mutations.shares.shareChat, share);
  return { ada, bob, chatId, shareId };
}

/** A file of a person's in a chat, as it stands in the tables; nothing looks into it. */
export async function insertFile(
  backend: Backend,
  { userId }: Person,
  chatId: Id<"chats">,
): Promise<Id<"_storage">> {
  return await backend.run(async (ctx) => {
    const fileId = await ctx.storage.store(new Blob(["text"]));
    const about = { fileName: "a.txt", fileType: "text/plain", fileSize: 4 };
    await ctx.db.insert("chat_attachments", { userId, chatId, fileId, ...about });
    return fileId;
  });
}

/** Waits for what the scheduler does meanwhile. */
export async function until(look: () => Promise<boolean>): Promise<void> {
  await expect.poll(look, { timeout: 30_000, interval: 10 }).toBe(true);
}

/** A row of Better Auth's own tables, without what its triggers make of it. */
export async function authRow(backend: Backend, model: string, data: object): Promise<{ _id: string }> {
  const input = { model, data: { createdAt: 1, updatedAt: 1, ...data } } as never;
  return await backend.mutation(
    async (ctx) =>
      (await ctx.runMutation(components.betterAuth.adapter.create, { input })) as { _id: string },
  );
}
