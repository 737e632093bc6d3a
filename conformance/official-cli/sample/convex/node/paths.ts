"use node";

import path from "node:path";
import { v } from "convex/values";
import { action } from "../_generated/server";

export const extension = action({
  args: { file: v.string() },
  returns: v.string(),
  handler: async (_ctx, { file }) => path.extname(file),
});
