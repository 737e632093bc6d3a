import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  attachments: defineTable({ storageId: v.id("_storage"), name: v.string() }).index("by_name", ["name"]),
});
