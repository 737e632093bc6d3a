"use node";

import os from "node:os";
import { actionGeneric, anyApi } from "convex/server";
import { v } from "convex/values";

/** Runs in the action host, which is a process of its own: the package has to find its file. */
export const add = actionGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(anyApi["notes"]!["add"]!, { text });
    return os.platform();
  },
});
