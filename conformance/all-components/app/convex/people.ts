import {
  PersistentTextStreaming,
  StreamIdValidator,
  type StreamId,
} from "@convex-dev/persistent-text-streaming";
import { Presence } from "@convex-dev/presence";
import { ProsemirrorSync } from "@convex-dev/prosemirror-sync";
import { v } from "convex/values";
import { components } from "./_generated/api";
import { mutation, query } from "./_generated/server";

const presence = new Presence(components.presence);
export const heartbeat = mutation({
  args: { room: v.string(), user: v.string(), session: v.string(), interval: v.number() },
  handler: (ctx, { room, user, session, interval }) => presence.heartbeat(ctx, room, user, session, interval),
});
export const inRoom = query({
  args: { roomToken: v.string() },
  handler: async (ctx, { roomToken }) => {
    const users = await presence.list(ctx, roomToken);
    return users.map(({ userId, online }) => ({ userId, online }));
  },
});
export const leave = mutation({
  args: { sessionToken: v.string() },
  handler: (ctx, { sessionToken }) => presence.disconnect(ctx, sessionToken),
});

export const streaming = new PersistentTextStreaming(components.persistentTextStreaming);
export const createStream = mutation({ args: {}, handler: (ctx) => streaming.createStream(ctx) });
export const streamBody = query({
  args: { id: StreamIdValidator },
  handler: (ctx, { id }) => streaming.getStreamBody(ctx, id as StreamId),
});

const documents = new ProsemirrorSync(components.prosemirrorSync);
export const { getSnapshot, submitSnapshot, latestVersion, getSteps, submitSteps } = documents.syncApi();
