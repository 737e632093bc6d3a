import { convexTest } from "@lenslet/testing";
import { anyApi } from "convex/server";
import { expect, it } from "vitest";
import schema from "./convex/schema.ts";

it("finds a note", async () => {
  const t = convexTest(schema, import.meta.glob("./convex/**/*.ts"));
  await t.mutation(anyApi["notes"]!["add"]!, { text: "from the test" });
  expect(await t.query(anyApi["notes"]!["find"]!, { word: "test" })).toEqual(["from the test"]);
});
