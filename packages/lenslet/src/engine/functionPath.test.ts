import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { canonicalPath, inComponent, parseFunctionPath, strippedPath } from "./functionPath.ts";

function refusalOf(text: string): string {
  try {
    parseFunctionPath(text);
  } catch (error) {
    expect(error).toBeInstanceOf(LensletError);
    expect((error as LensletError).code).toBe("BadConvexFunctionIdentifier");
    return (error as LensletError).message;
  }
  return "accepted";
}

describe("function paths", () => {
  it.each([
    ["messages:list", "messages.js:list", "messages:list"],
    ["messages.js:list", "messages.js:list", "messages:list"],
    ["dir/sub_dir/messages:list", "dir/sub_dir/messages.js:list", "dir/sub_dir/messages:list"],
    ["messages", "messages.js:default", "messages"],
    ["messages.js", "messages.js:default", "messages"],
    ["messages:default", "messages.js:default", "messages"],
    ["v1.2:_private", "v1.2.js:_private", "v1.2:_private"],
    ["_system/frontend/x:default", "_system/frontend/x.js:default", "_system/frontend/x"],
    [`${"a".repeat(64)}:${"b".repeat(64)}`, `${"a".repeat(64)}.js:${"b".repeat(64)}`, undefined],
  ])("reads %s", (text, canonical, stripped) => {
    const path = parseFunctionPath(text);
    expect(canonicalPath(path)).toBe(canonical);
    if (stripped !== undefined) expect(strippedPath(path)).toBe(stripped);
    expect(parseFunctionPath(canonical)).toEqual(path);
  });

  it.each([
    "",
    ":",
    ":list",
    "a//b:c",
    "/a:b",
    "a/:b",
    "../a:b",
    "a/..:b",
    "a b:c",
    "a:b:c",
    "ä:b",
    "a\nb:c",
  ])("refuses %j as a module path", (text) => {
    expect(refusalOf(text)).toContain(`${text} is not a valid path to a Convex function. Module path (`);
  });

  it.each(["a:", "a:1b", "a:b-c", "a:b c", `a:${"b".repeat(65)}`, "a:$b"])(
    "refuses %j as a function name",
    (text) => {
      expect(refusalOf(text)).toContain("is not a valid function name.");
    },
  );

  it("refuses segments longer than 64", () => {
    expect(refusalOf(`${"a".repeat(65)}:b`)).toContain("has an invalid segment");
  });

  it("names the component only when there is one", () => {
    expect([inComponent(""), inComponent("a/b")]).toEqual(["", " in 'a/b'"]);
  });
});
