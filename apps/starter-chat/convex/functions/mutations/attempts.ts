import { v } from "convex/values";
import { internalMutation } from "../../_generated/server.js";
import { forgetAttempt, takeAttempt } from "../../model/attempts.ts";

const args = {
  kind: v.union(v.literal("password"), v.literal("mail"), v.literal("account")),
  email: v.string(),
};

/** Counts an attempt before it is made. Returns how many milliseconds to wait; 0: go ahead. */
export const take = internalMutation({
  args,
  returns: v.number(),
  handler: async (ctx, { kind, email }) => await takeAttempt(ctx, kind, email),
});

/** Takes an attempt back that was right. */
export const forget = internalMutation({
  args,
  returns: v.null(),
  handler: async (ctx, { kind, email }) => {
    await forgetAttempt(ctx, kind, email);
    return null;
  },
});
