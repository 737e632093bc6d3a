import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  /** What callbacks of components report, read by the tests. */
  events: defineTable({ name: v.string(), value: v.any() }).index("by_name", ["name"]),
  players: defineTable({ name: v.string(), score: v.number(), rank: v.optional(v.string()) }),
});
