import { v } from "convex/values";
import { query } from "../../_generated/server.js";
import { currentIdentity, requireUser } from "../../model/access.ts";
import { openSessions } from "../../model/identity.ts";
import { sessionView } from "../../model/views.ts";

/**
 * Where the caller is signed in, the session that was active last first, live.
 *
 * @throws `unauthenticated`, `no_account`
 */
export const getSessions = query({
  args: {},
  returns: v.array(sessionView),
  handler: async (ctx) => {
    const user = await requireUser(ctx);
    const current = (await currentIdentity(ctx))?.["sessionId"];
    const sessions = await openSessions(ctx, user._id);
    return sessions
      .toSorted((a, b) => b.lastActiveAt - a.lastActiveAt)
      .map(({ _id, sessionId, deviceInfo, startedAt, lastActiveAt }) => ({
        _id,
        browser: deviceInfo?.browser ?? "Unknown browser",
        platform: deviceInfo?.platform ?? "Unknown system",
        ...(deviceInfo?.ipAddress === undefined ? {} : { ipAddress: deviceInfo.ipAddress }),
        startedAt,
        lastActiveAt,
        isCurrent: sessionId === current,
      }));
  },
});

/**
 * Whether the session of the caller's token goes on: false once it has been ended, here or elsewhere. The page signs
 * out then.
 */
export const isSessionOpen = query({
  args: {},
  returns: v.boolean(),
  handler: async (ctx) => (await currentIdentity(ctx)) !== null,
});
