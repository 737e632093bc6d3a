import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  users: defineTable({
    name: v.string(),
    email: v.optional(v.string()),
    role: v.union(v.literal("admin"), v.literal("member")),
    settings: v.object({ theme: v.string(), tags: v.array(v.string()) }),
  })
    .index("by_email", ["email"])
    .searchIndex("search_name", { searchField: "name" }),
  messages: defineTable({
    author: v.id("users"),
    body: v.string(),
    likes: v.int64(),
    weights: v.record(v.string(), v.number()),
    attachment: v.union(v.bytes(), v.null()),
    extra: v.any(),
  })
    .index("by_author", ["author"])
    .index("by_body", { fields: ["body", "likes"] })
    .index("by_likes", { fields: ["likes"], staged: true }),
  notes: defineTable({ text: v.string(), rank: v.number() }).index("by_rank", ["rank"]),
});
