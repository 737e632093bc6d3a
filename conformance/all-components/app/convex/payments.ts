import { Autumn } from "@useautumn/convex";
import { v } from "convex/values";
import { components } from "./_generated/api";
import { type ActionCtx, query } from "./_generated/server";

export const customer = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.runQuery(components.stripe.public.getCustomer, { stripeCustomerId: id }),
});

const autumn = new Autumn(components.autumn, {
  secretKey: process.env["AUTUMN_SECRET_KEY"] ?? "",
  url: process.env["AUTUMN_URL"] ?? "",
  identify: async (ctx: ActionCtx) => {
    const identity = await ctx.auth.getUserIdentity();
    return identity === null ? null : { customerId: identity.subject, customerData: { name: identity.name } };
  },
});
export const {
  track,
  check,
  attach,
  checkout,
  createCustomer,
  listProducts,
  cancel,
  billingPortal,
  query: usage,
} = autumn.api();
