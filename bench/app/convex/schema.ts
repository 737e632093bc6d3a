import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const schema = defineSchema({
  accounts: defineTable({ number: v.number(), balance: v.number() }).index("by_number", ["number"]),
  messages: defineTable({ channel: v.string(), seq: v.number(), body: v.string() }).index("by_channel", [
    "channel",
  ]),
});

// oxlint-disable-next-line import/no-default-export -- the CLI looks for the schema here
export default schema;
