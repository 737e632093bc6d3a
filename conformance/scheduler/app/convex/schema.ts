import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const schema = defineSchema({
  notes: defineTable({ text: v.string() }),
  beats: defineTable({ by: v.string() }),
});

export default schema;
