import { type Infer, v } from "convex/values";
import { mutation } from "../../_generated/server.js";
import { requireChat, requireUser } from "../../model/access.ts";
import { startDeletingChat } from "../../model/cascade.ts";
import {
  checkModel,
  checkSettings,
  checkSystemPrompt,
  checkTags,
  checkTitle,
} from "../../model/validation.ts";
import { chatSettings } from "../../schema.ts";

const field = v.optional(v.union(v.number(), v.null()));
/** The fields of `chatSettings`, each of which may be null. */
const settingsChange = v.object({
  temperature: field,
  maxTokens: field,
  topP: field,
  frequencyPenalty: field,
  presencePenalty: field,
});

/**
 * Makes a chat of the caller's own.
 *
 * @returns its id.
 * @throws `unauthenticated`, `no_account`; `invalid` (title, model, systemPrompt, settings.*, tags)
 */
export const createChat = mutation({
  args: {
    title: v.optional(v.string()),
    model: v.optional(v.string()),
    systemPrompt: v.optional(v.string()),
    settings: v.optional(chatSettings),
    tags: v.optional(v.array(v.string())),
  },
  returns: v.id("chats"),
  handler: async (ctx, { title, model, systemPrompt, settings, tags }) => {
    const user = await requireUser(ctx);
    const defaultModel = model ?? user.preferences?.defaultModel;
    return await ctx.db.insert("chats", {
      userId: user._id,
      messageCount: 0,
      // A new chat stands at the top of the list, where its owner looks for it.
      lastMessageAt: Date.now(),
      isArchived: false,
      ...(title === undefined ? {} : { title: checkTitle(title) }),
      ...(defaultModel === undefined ? {} : { model: checkModel(defaultModel) }),
      ...(systemPrompt === undefined ? {} : { systemPrompt: checkSystemPrompt(systemPrompt) }),
      ...(settings === undefined ? {} : { settings: checkSettings(settings) }),
      ...(tags === undefined ? {} : { tags: checkTags(tags) }),
    });
  },
});

/**
 * Changes a chat of the caller's own: rename, archive, tags, settings. What is left out stays; null removes. Settings
 * are merged field by field, and a field that is null is removed.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`; `invalid` (title, model, systemPrompt,
 * settings.*, tags)
 */
export const updateChat = mutation({
  args: {
    chatId: v.id("chats"),
    title: v.optional(v.union(v.string(), v.null())),
    model: v.optional(v.union(v.string(), v.null())),
    systemPrompt: v.optional(v.union(v.string(), v.null())),
    settings: v.optional(v.union(settingsChange, v.null())),
    isArchived: v.optional(v.boolean()),
    tags: v.optional(v.array(v.string())),
  },
  returns: v.null(),
  handler: async (ctx, { chatId, title, model, systemPrompt, settings, isArchived, tags }) => {
    const user = await requireUser(ctx);
    const { chat } = await requireChat(ctx, user, chatId, "isOwner");
    await ctx.db.patch("chats", chatId, {
      ...(title === undefined ? {} : { title: title === null ? undefined : checkTitle(title) }),
      ...(model === undefined ? {} : { model: model === null ? undefined : checkModel(model) }),
      ...(systemPrompt === undefined
        ? {}
        : { systemPrompt: systemPrompt === null ? undefined : checkSystemPrompt(systemPrompt) }),
      ...(settings === undefined
        ? {}
        : { settings: settings === null ? undefined : checkSettings(changed(chat.settings, settings)) }),
      ...(isArchived === undefined ? {} : { isArchived }),
      ...(tags === undefined ? {} : { tags: checkTags(tags) }),
    });
    return null;
  },
});

/**
 * Deletes a chat of the caller's own with its messages, attachments and shares. It is gone for everyone at once; what
 * hangs on it goes in steps, which go on by themselves.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const deleteChat = mutation({
  args: { chatId: v.id("chats") },
  returns: v.null(),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "isOwner");
    await startDeletingChat(ctx, chatId);
    return null;
  },
});

type Settings = Infer<typeof chatSettings>;

function changed(settings: Settings | undefined, change: Infer<typeof settingsChange>): Settings {
  const entries = Object.entries({ ...settings, ...change });
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}
