import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const schema = defineSchema({
  accounts: defineTable({ name: v.string(), count: v.number(), balance: v.number() }).index("by_name", [
    "name",
  ]),
  entries: defineTable({
    key: v.string(),
    account: v.string(),
    amount: v.number(),
    position: v.number(),
  })
    .index("by_key", ["key"])
    .index("by_account", ["account", "position"]),
  plans: defineTable({ key: v.string() }),
  runs: defineTable({ key: v.string(), what: v.string() }),
  switches: defineTable({ name: v.string(), on: v.boolean() }).index("by_name", ["name"]),
});

export default schema;
