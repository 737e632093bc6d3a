import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const schema = defineSchema({
  /** `version` counts the changes of a channel: what a client shows at a version is known exactly. */
  channels: defineTable({ name: v.string(), version: v.number() }).index("by_name", ["name"]),
  messages: defineTable({ channel: v.string(), key: v.string(), body: v.string(), position: v.number() })
    .index("by_channel", ["channel", "position"])
    .index("by_key", ["key"]),
  notes: defineTable({ owner: v.string(), text: v.string() }).index("by_owner", ["owner"]),
});

export default schema;
