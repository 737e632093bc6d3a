import { Presence } from "@convex-dev/presence";
import { v } from "convex/values";
import { components } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import { query } from "../../_generated/server.js";
import { accessAmong, activeShares, requireChat, requireUser } from "../../model/access.ts";
import { typingIn } from "../../model/typing.ts";
import { People, presenceView } from "../../model/views.ts";

const presence = new Presence<Id<"chats">, Id<"users">>(components.presence);

/**
 * Who looks at a chat now, and who has; among them the caller. Those who may not read it any more are left out.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`
 */
export const getPresence = query({
  args: { chatId: v.id("chats") },
  returns: v.array(presenceView),
  handler: async (ctx, { chatId }) => {
    const user = await requireUser(ctx);
    const { chat } = await requireChat(ctx, user, chatId, "canRead");
    const typing = await typingIn(ctx, chatId);
    const shares = await activeShares(ctx, chatId);
    const people = new People(ctx);
    const entries = [];
    for (const { userId, online, lastDisconnected } of await presence.listRoom(ctx, chatId)) {
      const profile = await people.profile(userId);
      if (profile === null || accessAmong(shares, userId, chat) === null) continue;
      entries.push({
        user: profile,
        isOnline: online,
        ...(online || lastDisconnected === 0 ? {} : { lastSeenAt: lastDisconnected }),
        typingUntil: online ? (typing.get(userId) ?? 0) : 0,
      });
    }
    return entries;
  },
});
