"use node";

import { actionGeneric as action } from "convex/server";
import { v } from "convex/values";
import { harm, stay } from "./lib/neighbours.ts";

/** The same of the Node runtime. */
export const stays = action({
  args: { name: v.string(), round: v.string() },
  handler: (ctx, { name, round }) => stay(ctx, name, round),
});
export const harms = action({
  args: { how: v.string(), round: v.string() },
  handler: (ctx, { how, round }) => harm(ctx, how, round),
});
