import { internalMutation } from "./_generated/server.js";
import * as Sessions from "./app/users/sessions.ts";

/** Deletes sessions that have expired, and deliveries of webhooks that nobody will repeat. A cron calls it. */
export const cleanupExpired = internalMutation({
  args: {},
  handler: async (ctx) => await Sessions.cleanupExpired(ctx),
});
