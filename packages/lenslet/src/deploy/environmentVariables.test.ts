import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import {
  applyEnvironmentVariableChanges,
  checkDeclaredVariables,
  isStringLike,
  type DeclaredVariable,
} from "./environmentVariables.ts";

const declared: readonly DeclaredVariable[] = [
  [
    "MODE",
    {
      type: "value",
      value: '{"type":"union","value":[{"type":"literal","value":"a"},{"type":"literal","value":"b"}]}',
    },
  ],
  ["NOTE", { type: "value", value: '{"type":"string"}', optional: true }],
];

function refusal(changes: { name: string; value: string | null }[], current: Record<string, string> = {}) {
  try {
    applyEnvironmentVariableChanges(current, changes, declared);
  } catch (error) {
    if (error instanceof LensletError) return [error.code, error.message];
    throw error;
  }
  return null;
}

describe("environment variables (reference functions.md §8)", () => {
  it("sets, replaces and deletes in order, and keeps name order", () => {
    const changes = [
      { name: "B", value: "1" },
      { name: "A", value: "2" },
      { name: "C", value: null },
      { name: "B", value: "3" },
      { name: "GONE", value: null },
    ];
    const next = applyEnvironmentVariableChanges({ C: "x" }, changes, []);
    expect(Object.entries(next)).toEqual([
      ["A", "2"],
      ["B", "3"],
    ]);
  });

  it("refuses bad names, built-in names and large values with the exact texts", () => {
    expect(refusal([{ name: "1A", value: "" }])).toEqual([
      "EnvironmentVariableNameInvalid",
      "The environment variable name 1A is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.",
    ]);
    const long = "A".repeat(257);
    expect(refusal([{ name: long, value: "" }])).toEqual([
      "EnvironmentVariableNameTooLong",
      `The environment variable name ${long} is too long. Environment variable names must be less than 256.`,
    ]);
    expect(refusal([{ name: "A".repeat(256), value: "" }])).toBeNull();
    expect(refusal([{ name: "CONVEX_SITE_URL", value: "x" }])).toEqual([
      "EnvVarNameForbidden",
      'Environment variable with name "CONVEX_SITE_URL" is built-in and cannot be overridden',
    ]);
    expect(refusal([{ name: "A", value: "é".repeat(4097) }])).toEqual([
      "EnvironmentVariableValueTooLarge",
      "The environment variable value is 8194 bytes, which is too large. (max size: 8192",
    ]);
    expect(refusal([{ name: "A", value: "x".repeat(8192) }])).toBeNull();
  });

  it("bounds their number and total size", () => {
    const many = (count: number, value: string) =>
      Array.from({ length: count }, (_, i) => ({ name: `V${i}`, value }));
    expect(refusal(many(512, ""))).toBeNull();
    expect(refusal(many(513, ""))).toEqual([
      "EnvVarLimitMet",
      "The environment variable limit (512) has been met.",
    ]);
    // Names count too: 63 of 8,192 bytes with names of 2 and 3 characters leave room for one more.
    const named = 63 * 8192 + 10 * 2 + 53 * 3;
    const last = (bytes: number) => [
      ...many(63, "x".repeat(8192)),
      { name: "L", value: "x".repeat(bytes - 1) },
    ];
    expect(refusal(last(524_288 - named))).toBeNull();
    expect(refusal(last(524_288 - named + 1))).toEqual([
      "EnvVarTotalSizeLimitMet",
      "The total size of all environment variables (524289 bytes) exceeds the limit (524288 bytes).",
    ]);
  });

  it("keeps declared variables present and valid, but lets others change while one is missing", () => {
    expect(refusal([{ name: "MODE", value: null }], { MODE: "a" })?.[0]).toBe("RequiredEnvironmentVariable");
    expect(refusal([{ name: "MODE", value: "c" }], { MODE: "a" })?.[0]).toBe(
      "InvalidEnvironmentVariableValue",
    );
    expect(refusal([{ name: "NOTE", value: null }], { MODE: "a", NOTE: "x" })).toBeNull();
    expect(refusal([{ name: "OTHER", value: "x" }])).toBeNull();
    expect(checkDeclaredVariables(declared, {}).missing).toEqual(["MODE"]);
  });

  it("accepts only declarations that text can satisfy", () => {
    expect(isStringLike({ type: "string" })).toBe(true);
    expect(
      isStringLike({ type: "union", value: [{ type: "literal", value: "a" }, { type: "string" }] }),
    ).toBe(true);
    expect(isStringLike({ type: "literal", value: 1 })).toBe(false);
    expect(isStringLike({ type: "number" })).toBe(false);
  });
});
