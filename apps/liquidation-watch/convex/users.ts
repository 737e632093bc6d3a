import { v } from "convex/values";
import { mutation } from "./_generated/server.js";
import { refuse } from "./model/errors.ts";
import { checkedBio, checkedUsername, checkedWallet } from "./model/validation.ts";

/**
 * The user of a wallet, made when it is new, renamed when the name differs. Returns the id to speak with. The wallet's
 * address is not proven (the story asks for no sign-in): whoever knows it is that user, so no query shows it.
 */
export const signIn = mutation({
  args: { wallet_address: v.string(), username: v.string() },
  returns: v.id("users"),
  handler: async (ctx, args) => {
    const wallet_address = checkedWallet(args.wallet_address);
    const username = checkedUsername(args.username);
    const known = await ctx.db
      .query("users")
      .withIndex("by_wallet", (q) => q.eq("wallet_address", wallet_address))
      .first();
    if (known === null)
      return await ctx.db.insert("users", { wallet_address, username, created_at: Date.now() });
    if (known.username !== username) await ctx.db.patch(known._id, { username });
    return known._id;
  },
});

/** Sets what a user says about themselves; an empty text removes it. */
export const setBio = mutation({
  args: { user_id: v.id("users"), bio: v.string() },
  returns: v.null(),
  handler: async (ctx, { user_id, bio }) => {
    if ((await ctx.db.get(user_id)) === null) refuse("not_found", "There is no such user. Sign in again.");
    const text = checkedBio(bio);
    await ctx.db.patch(user_id, { bio: text === "" ? undefined : text });
    return null;
  },
});
