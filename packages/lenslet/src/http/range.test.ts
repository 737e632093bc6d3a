import { describe, expect, it } from "vitest";
import { parseRange } from "./range.ts";

describe("parseRange", () => {
  it.each([
    ["bytes=0-0", { start: 0, end: 1 }],
    ["bytes=2-5", { start: 2, end: 6 }],
    ["bytes=2-", { start: 2, end: 10 }],
    ["bytes=9-9", { start: 9, end: 10 }],
    ["bytes=5-1000", { start: 5, end: 10 }],
    ["bytes=-3", { start: 7, end: 10 }],
    ["bytes=-1000", { start: 0, end: 10 }],
    [" Bytes = 1 - 2 ", { start: 1, end: 3 }],
    ["bytes=99999999999999999999-", "unsatisfiable"],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=0-1,3-4", "unsatisfiable"],
    // Neither is a range: the header is ignored, as RFC 9110 says.
    ["bytes=5-2", null],
    ["bytes=", null],
    ["bytes=-", null],
    ["bytes=a-b", null],
    ["lines=1-2", null],
    [undefined, null],
  ])("reads %s of ten bytes", (header, range) => {
    expect(parseRange(header, 10)).toEqual(range);
  });

  it("finds no range in nothing", () => {
    expect(parseRange("bytes=0-3", 0)).toBeNull();
  });
});
