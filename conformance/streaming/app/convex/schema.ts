import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema(
  {
    items: defineTable({
      key: v.number(),
      text: v.string(),
      big: v.optional(v.int64()),
      bytes: v.optional(v.bytes()),
      kind: v.optional(v.union(v.literal("a"), v.literal("b"))),
      tags: v.optional(v.array(v.string())),
    }).index("by_key", ["key"]),
  },
  { strictTableNameTypes: false },
);
