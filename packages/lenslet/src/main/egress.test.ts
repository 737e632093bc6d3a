import { expect, it } from "vitest";
import { parseEgress } from "./egress.ts";

it("reads origins and where their requests go", () => {
  expect(parseEgress("")).toEqual({});
  expect(
    parseEgress(
      " https://api.example.com=http://127.0.0.1:4010/ , https://b.example:443=https://[::1]:8443,",
    ),
  ).toEqual({
    "https://api.example.com": "http://127.0.0.1:4010",
    "https://b.example": "https://[::1]:8443",
  });
});

it.each([
  [
    "https://a.example",
    '"https://a.example" must be two origins like https://api.example.com=http://127.0.0.1:4010.',
  ],
  ["https://a.example=http://b.example=http://c.example", "must be two origins like"],
  [
    "https://a.example/v1=http://b.example",
    '"https://a.example/v1" is no origin like https://api.example.com, without a path.',
  ],
  ["https://a.example=http://b.example/v1", '"http://b.example/v1" is no origin'],
  ["https://a.example?x=http://b.example", '"https://a.example?x" is no origin'],
  ["a.example=http://b.example", '"a.example" is no origin'],
  ["ftp://a.example=http://b.example", '"ftp://a.example" is no origin'],
])("refuses %s", (text, message) => {
  expect(() => parseEgress(text)).toThrow(message);
});
