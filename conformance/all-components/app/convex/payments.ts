import { v } from "convex/values";
import { components } from "./_generated/api";
import { query } from "./_generated/server";

export const customer = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.runQuery(components.stripe.public.getCustomer, { stripeCustomerId: id }),
});
