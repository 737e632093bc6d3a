import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { dimensions } from "./vectorData.ts";

const schema = defineSchema({
  accounts: defineTable({ number: v.number(), balance: v.number() }).index("by_number", ["number"]),
  events: defineTable({ channel: v.string(), rand: v.number(), body: v.string() })
    .index("by_channel", ["channel", "rand"])
    .index("by_rand", ["rand"]),
  searchable: defineTable({ channel: v.string(), rand: v.number(), body: v.string() })
    .index("by_channel", ["channel", "rand"])
    .index("by_rand", ["rand"])
    .searchIndex("search_body", { searchField: "body", filterFields: ["channel"] }),
  messages: defineTable({ channel: v.string(), seq: v.number(), body: v.string() }).index("by_channel", [
    "channel",
  ]),
  vectors: defineTable({ group: v.string(), embedding: v.array(v.number()) }).vectorIndex("by_embedding", {
    vectorField: "embedding",
    dimensions,
    filterFields: ["group"],
  }),
  unindexedVectors: defineTable({ group: v.string(), embedding: v.array(v.number()) }),
});

// oxlint-disable-next-line import/no-default-export -- the CLI looks for the schema here
export default schema;
