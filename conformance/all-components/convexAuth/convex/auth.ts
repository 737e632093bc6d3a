import { convexAuth, getAuthSessionId, getAuthUserId } from "@convex-dev/auth/server";
import { Password } from "@convex-dev/auth/providers/Password";
import { query } from "./_generated/server";

export const { auth, signIn, signOut, store, isAuthenticated } = convexAuth({
  providers: [Password],
});

/** Whom the token says this is. */
export const me = query({
  args: {},
  handler: async (ctx) => {
    const userId = await getAuthUserId(ctx);
    if (userId === null) return null;
    const sessionId = await getAuthSessionId(ctx);
    const session = sessionId === null ? null : await ctx.db.get(sessionId);
    return { email: (await ctx.db.get(userId))?.email, hasSession: session !== null };
  },
});
