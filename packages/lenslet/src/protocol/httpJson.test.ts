import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elementTexts, firstMemberText, memberText } from "./httpJson.ts";

const space = fc.constantFrom("", " ", "\n", "\t \r\n");
const key = fc.oneof(fc.constantFrom("args", "path", "a", "", "arg", "args2"), fc.string());
const member = fc.tuple(key, fc.jsonValue(), space, space, space, fc.boolean());

/** Writes members in order, duplicates included, with odd spacing and some keys escaped. */
function write(members: readonly (readonly [string, unknown, string, string, string, boolean])[]): string {
  const texts = members.map(([name, value, before, middle, after, isEscaped]) => {
    const plain = JSON.stringify(name);
    const keyText = isEscaped && name !== "" && !plain.includes("\\") ? escapeFirst(name) : plain;
    const valueText = isEscaped ? JSON.stringify(value, null, 2) : JSON.stringify(value);
    return `${before}${keyText}${middle}:${before}${valueText}${after}`;
  });
  return `{${texts.join(",")}}`;
}

function escapeFirst(name: string): string {
  const code = name.charCodeAt(0).toString(16).padStart(4, "0");
  return `"\\u${code}${JSON.stringify(name.slice(1)).slice(1)}`;
}

describe("memberText", () => {
  it("cuts out the member that JSON.parse would choose", () => {
    fc.assert(
      fc.property(fc.array(member, { maxLength: 6 }), key, (members, wanted) => {
        const text = write(members);
        const found = memberText(text, wanted);
        const matching = members.filter(([name]) => name === wanted);
        const last = matching.at(-1);
        if (last === undefined) expect(found).toBeUndefined();
        else expect(JSON.parse(found ?? "")).toEqual(JSON.parse(JSON.stringify(last[1])));
        const first = matching[0];
        if (first !== undefined) {
          expect(JSON.parse(firstMemberText(text, wanted) ?? "")).toEqual(
            JSON.parse(JSON.stringify(first[1])),
          );
        }
      }),
    );
  });

  it("keeps the text of numbers and escapes exactly as written", () => {
    expect(memberText('{"args":[{"n":1.50e0,"s":"\\u0041\\"]}"}] }', "args")).toBe(
      '[{"n":1.50e0,"s":"\\u0041\\"]}"}]',
    );
  });

  it("ends on any text", () => {
    const soup = fc.string({ unit: fc.constantFrom("{", "}", "[", "]", '"', "\\", ":", ",", "a", " ", "1") });
    fc.assert(
      fc.property(fc.oneof(soup, fc.string()), (text) => {
        const found = memberText(text, "a");
        expect(found === undefined || text.includes(found)).toBe(true);
        for (const element of elementTexts(text)) expect(text.includes(element)).toBe(true);
      }),
    );
  });
});

describe("elementTexts", () => {
  it("cuts an array into its elements", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (values, indent) => {
        const text = JSON.stringify(values, null, indent);
        expect(elementTexts(text).map((element) => JSON.parse(element) as unknown)).toEqual(JSON.parse(text));
      }),
    );
  });
});
