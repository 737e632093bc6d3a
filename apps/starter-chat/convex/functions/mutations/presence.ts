import { Presence } from "@convex-dev/presence";
import { v } from "convex/values";
import { components } from "../../_generated/api.js";
import { mutation } from "../../_generated/server.js";
import { requireChat, requireUser } from "../../model/access.ts";
import { appError } from "../../model/errors.ts";
import { limits } from "../../model/limits.ts";
import { startTyping, stopTyping } from "../../model/typing.ts";

const presence = new Presence(components.presence);

/**
 * The caller looks at a chat. A window calls this at once and then every `interval`; whoever misses two is away.
 *
 * @param sessionId anything that tells this window from the caller's others.
 * @param interval ms, 1,000 to 60,000.
 * @returns what `leave` takes.
 * @throws `unauthenticated`, `no_account`, `not_found`; `invalid` (sessionId, interval)
 */
export const heartbeat = mutation({
  args: { chatId: v.id("chats"), sessionId: v.string(), interval: v.number() },
  returns: v.object({ sessionToken: v.string() }),
  handler: async (ctx, { chatId, sessionId, interval }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canRead");
    if (sessionId === "" || sessionId.length > limits.windowIdLengthMax)
      throw appError("invalid", "The name of a window is too long, or empty.", "sessionId");
    if (!(interval >= limits.heartbeatMsMin && interval <= limits.heartbeatMsMax))
      throw appError("invalid", "A heart beats every 1 to 60 seconds.", "interval");
    // With the person in it, nobody can speak for somebody else's window.
    const window = `${user._id}:${chatId}:${sessionId}`;
    const { sessionToken } = await presence.heartbeat(ctx, chatId, user._id, window, interval);
    return { sessionToken };
  },
});

/** A window closes. The token is proof enough: a page that is going away cannot wait for a sign-in. */
export const leave = mutation({
  args: { sessionToken: v.string() },
  returns: v.null(),
  handler: async (ctx, { sessionToken }) => await presence.disconnect(ctx, sessionToken),
});

/**
 * The caller is writing in a chat, or no longer. True holds for some seconds: repeat it while it goes on.
 *
 * @throws `unauthenticated`, `no_account`, `not_found`, `forbidden`
 */
export const setTyping = mutation({
  args: { chatId: v.id("chats"), isTyping: v.boolean() },
  returns: v.null(),
  handler: async (ctx, { chatId, isTyping }) => {
    const user = await requireUser(ctx);
    await requireChat(ctx, user, chatId, "canWrite");
    await (isTyping ? startTyping : stopTyping)(ctx, user._id, chatId);
    return null;
  },
});
