import { v } from "convex/values";
import { components, internal } from "./_generated/api.js";
import type { Id } from "./_generated/dataModel.js";
import { internalAction, internalMutation, internalQuery, type MutationCtx } from "./_generated/server.js";
import { createAuth } from "./auth.ts";
import { confirmEmail } from "./model/accounts.ts";
import { accountOfAuthUser } from "./model/identity.ts";
import { checkBody, type MessagePart } from "./model/parts.ts";
import { insertShare } from "./model/shares.ts";

// Data to begin with: `npm run seed`. The people, the chat and the message with several parts are those of document 004.

const password = "seed password";
const people = [
  { name: "John Developer", email: "john@example.com" },
  { name: "Jane Designer", email: "jane@example.com" },
];
const planning: readonly { by: number | "assistant"; parts: readonly MessagePart[] }[] = [
  {
    by: 0,
    parts: [
      { type: "text", text: "Here's my code:" },
      { type: "code", language: "typescript", code: "const x = 1;" },
      { type: "text", text: "What do you think?" },
    ],
  },
  { by: 1, parts: [{ type: "text", text: "Short! Does `x` need a better name before the launch?" }] },
  {
    by: "assistant",
    parts: [{ type: "text", text: "`attemptsMax` would say what it is for, if it limits attempts." }],
  },
];

/**
 * Makes two people who can sign in, with a chat they share. Called again it changes nothing.
 *
 * @returns what to know: addresses and the password.
 */
export const run = internalAction({
  args: {},
  returns: v.object({ password: v.string(), people: v.array(v.string()), isNew: v.boolean() }),
  handler: async (ctx): Promise<{ password: string; people: string[]; isNew: boolean }> => {
    const auth = createAuth(ctx);
    for (const person of people) {
      const known = await ctx.runQuery(components.betterAuth.adapter.findOne, {
        model: "user",
        where: [{ field: "email", value: person.email }],
      });
      if (known === null) await auth.api.signUpEmail({ body: { ...person, password } });
    }
    const isNew: boolean = await ctx.runMutation(internal.seed.fill, {});
    return { password, people: people.map(({ email }) => email), isNew };
  },
});

/** The data of the people that `run` has signed up. False: it was there already. */
export const fill = internalMutation({
  args: {},
  returns: v.boolean(),
  handler: async (ctx) => {
    const userIds = [];
    for (const { email } of people) userIds.push(await confirmed(ctx, email));
    const [john, jane] = userIds as [Id<"users">, Id<"users">];
    const existing = await ctx.db
      .query("chats")
      .withIndex("by_user", (q) => q.eq("userId", john))
      .first();
    if (existing !== null) return false;
    await ctx.db.patch("users", john, {
      preferences: { theme: "dark", defaultModel: "gpt-4", enableNotifications: true },
    });
    const chatId = await ctx.db.insert("chats", {
      userId: john,
      title: "Project Planning Discussion",
      model: "gpt-4",
      systemPrompt: "You are a helpful project planning assistant.",
      settings: { temperature: 0.7, maxTokens: 2000 },
      messageCount: planning.length,
      lastMessageAt: Date.now(),
      isArchived: false,
      tags: ["planning"],
    });
    const chat = (await ctx.db.get("chats", chatId))!;
    const permissions = { canRead: true, canWrite: true, canShare: false };
    await insertShare(ctx, chat, { permissions, expiresAt: undefined, sharedWithUserId: jane });
    for (const { by, parts } of planning) {
      const said = checkBody({ parts });
      const common = { chatId, chatOwnerId: john, threadLevel: 0, ...said };
      if (by === "assistant")
        await ctx.db.insert("messages", {
          ...common,
          role: "assistant",
          status: "delivered",
          metadata: { model: "stand-in" },
        });
      else await ctx.db.insert("messages", { ...common, role: "user", userId: userIds[by]!, status: "sent" });
    }
    return true;
  },
});

/**
 * Adds many messages to a person's chats, to see how the app fares with them: `scripts/deleteLargeAccount.ts`.
 *
 * @returns the chat they went into.
 */
export const addMessages = internalMutation({
  args: { userId: v.id("users"), count: v.number() },
  returns: v.id("chats"),
  handler: async (ctx, { userId, count }) => {
    const chatId = await ctx.db.insert("chats", { userId, isArchived: false, messageCount: count });
    for (let index = 0; index < count; index++) {
      const content = `Message ${index} of many`;
      await ctx.db.insert("messages", { chatId, chatOwnerId: userId, userId, role: "user", content });
    }
    return chatId;
  },
});

/** How many chats a person has. */
export const chatsOf = internalQuery({
  args: { userId: v.id("users") },
  returns: v.number(),
  handler: async (ctx, { userId }) => {
    const chats = await ctx.db
      .query("chats")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .collect();
    return chats.length;
  },
});

/** What is left of a person: the account, chats, messages, sessions and shares; of each, whether there is any. */
export const leftOf = internalQuery({
  args: { userId: v.id("users") },
  returns: v.number(),
  handler: async ({ db }, { userId }) => {
    const left = [
      await db.get("users", userId),
      await db
        .query("chats")
        .withIndex("by_user", (q) => q.eq("userId", userId))
        .first(),
      await db
        .query("messages")
        .withIndex("by_user_created", (q) => q.eq("userId", userId))
        .first(),
      await db
        .query("user_sessions")
        .withIndex("by_user", (q) => q.eq("userId", userId))
        .first(),
      await db
        .query("chat_shares")
        .withIndex("by_owner", (q) => q.eq("ownerId", userId))
        .first(),
    ];
    return left.filter((row) => row !== null).length;
  },
});

/** The account of somebody in Better Auth, the address taken as confirmed. */
async function confirmed(ctx: MutationCtx, email: string): Promise<Id<"users">> {
  const where = [{ field: "email" as const, value: email }];
  const person = (await ctx.runMutation(components.betterAuth.adapter.updateOne, {
    input: { model: "user", where, update: { emailVerified: true } },
  })) as { _id: string };
  const account = await accountOfAuthUser(ctx, person._id);
  if (account === null) throw new Error(`${email} has no account: its trigger has not run`);
  await confirmEmail(ctx, account._id, email);
  return account._id;
}
