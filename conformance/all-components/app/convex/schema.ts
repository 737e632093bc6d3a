import { defineEnt, defineEntSchema } from "convex-ents";
import { migrationsTable } from "convex-helpers/server/migrations";
import { rateLimitTables } from "convex-helpers/server/rateLimit";
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

/** Tables that convex-ents knows the edges of. */
export const entSchema = defineEntSchema({
  members: defineEnt({ name: v.string() })
    .field("email", v.string(), { unique: true })
    .field("level", v.number(), { default: 1 })
    .edge("badge", { ref: true })
    .edges("letters", { ref: true })
    .edges("clubs"),
  badges: defineEnt({ code: v.string() }).edge("member"),
  letters: defineEnt({ text: v.string() })
    .field("secret", v.optional(v.boolean()))
    .edge("member")
    .index("by_text", ["text"]),
  clubs: defineEnt({ title: v.string() }).edges("members"),
});

export default defineSchema({
  ...entSchema.tables,
  /** What callbacks of components report, read by the tests. */
  events: defineTable({ name: v.string(), value: v.any() }).index("by_name", ["name"]),
  players: defineTable({ name: v.string(), score: v.number(), rank: v.optional(v.string()) }),
  authors: defineTable({ name: v.string(), posts: v.number() }).index("name", ["name"]),
  posts: defineTable({
    author: v.id("authors"),
    title: v.string(),
    isPublic: v.boolean(),
    stars: v.number(),
    slug: v.optional(v.string()),
  })
    .index("author", ["author", "stars"])
    .index("stars", ["stars"]),
  tags: defineTable({ name: v.string() }).index("name", ["name"]),
  taggings: defineTable({ post: v.id("posts"), tag: v.id("tags") }).index("post", ["post"]),
  ...rateLimitTables,
  migrations: migrationsTable,
});
