import { Presence } from "@convex-dev/presence";
import { components } from "../../_generated/api.js";
import type { Id } from "../../_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "../../_generated/server.js";
import { optionalAuth, requireAuth } from "../../lib/auth.ts";
import { backendError } from "../../lib/errors.ts";
import { requireVisible } from "../projects/model.ts";

/** Who looks at a project right now. A room is a project. */
const presence = new Presence<Id<"projects">, Id<"users">>(components.presence);

const intervalMsMin = 1_000;
const intervalMsMax = 60_000;

export interface Heartbeat {
  readonly roomId: Id<"projects">;
  readonly userId: Id<"users">;
  readonly sessionId: string;
  readonly interval: number;
}

/**
 * The caller is (still) there.
 *
 * @throws UNAUTHORIZED in another's name, NOT_FOUND for a project the caller may not see, INVALID_INPUT
 */
export async function heartbeat(ctx: MutationCtx, { roomId, userId, sessionId, interval }: Heartbeat) {
  const caller = await requireAuth(ctx);
  if (caller.user._id !== userId) throw backendError("UNAUTHORIZED", "Unauthorized");
  await requireVisible(ctx, caller, roomId);
  if (!(interval >= intervalMsMin && interval <= intervalMsMax))
    throw backendError("INVALID_INPUT", "interval must be a second to a minute", { field: "interval" });
  return await presence.heartbeat(ctx, roomId, userId, sessionId, interval);
}

/** Who is and was in a room. The room's token, which only those get who may be there, is the key to it. */
export async function list(ctx: QueryCtx, roomToken: string) {
  await requireAuth(ctx);
  const people = await presence.list(ctx, roomToken);
  return await Promise.all(
    people.map(async (person) => {
      const user = await ctx.db.get(person.userId);
      const isGone = user === null || user.deletedAt !== undefined;
      return {
        ...person,
        ...(isGone ? {} : { name: user.name }),
        ...(isGone || user.imageUrl === undefined ? {} : { image: user.imageUrl }),
      };
    }),
  );
}

/** A session ends. Sent by a page that is being closed, without a token of its user: the session's own is the key. */
export async function disconnect(ctx: MutationCtx, sessionToken: string): Promise<void> {
  await optionalAuth(ctx);
  await presence.disconnect(ctx, sessionToken);
}
