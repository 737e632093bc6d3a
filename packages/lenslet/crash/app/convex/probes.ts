import { internalMutationGeneric, internalQueryGeneric } from "convex/server";
import { v } from "convex/values";
import { query } from "./server.ts";

/** What the fuzz lane calls wrongly. */
export const entry = query({
  args: { id: v.id("entries") },
  handler: async (ctx, { id }) => await ctx.db.get(id),
});

export const anything = query({ args: { value: v.any() }, handler: (): string => "fine" });

/** A large result, to be sent to somebody who does not read. */
export const large = query({
  args: { nonce: v.number() },
  handler: async (ctx) => {
    const accounts = await ctx.db.query("accounts").collect();
    return {
      count: accounts.length,
      sums: accounts.map(({ balance }) => balance),
      filler: "x".repeat(500_000),
    };
  },
});

export const secretQuery = internalQueryGeneric({ args: {}, handler: () => "secret" });
export const secretMutation = internalMutationGeneric({ args: {}, handler: () => "secret" });
