import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const schema = defineSchema({
  people: defineTable({
    name: v.string(),
    age: v.number(),
    city: v.optional(v.string()),
  })
    .index("by_city", ["city", "age"])
    .searchIndex("search_name", { searchField: "name", filterFields: ["city"] }),
});

export default schema;
