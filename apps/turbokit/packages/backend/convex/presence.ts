import { v } from "convex/values";
import { mutation, query } from "./_generated/server.js";
import * as Presence from "./app/presence/model.ts";

/** The caller looks at a project (still). The form that `usePresence` calls; so are the next two. */
export const heartbeat = mutation({
  args: { roomId: v.id("projects"), userId: v.id("users"), sessionId: v.string(), interval: v.number() },
  handler: async (ctx, args) => await Presence.heartbeat(ctx, args),
});

/** Who is and was there. */
export const list = query({
  args: { roomToken: v.string() },
  handler: async (ctx, { roomToken }) => await Presence.list(ctx, roomToken),
});

/** The caller leaves. */
export const disconnect = mutation({
  args: { sessionToken: v.string() },
  handler: async (ctx, { sessionToken }) => {
    await Presence.disconnect(ctx, sessionToken);
    return null;
  },
});
