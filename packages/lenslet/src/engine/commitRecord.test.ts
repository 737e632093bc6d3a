import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeDocument } from "../store/document.ts";
import type { DocumentWrite, SessionRequest, TabletId } from "../store/store.ts";
import { encodeId } from "../values/id.ts";
import { stringifyValue } from "../values/json.ts";
import { valueArbitrary } from "../values/valueArbitrary.ts";
import { type RecordedCall, decodeCommitRecord, encodeCommitRecord } from "./commitRecord.ts";

const id = "\0".repeat(15) + "\x07";
const idText = encodeId(10_001, id);

function write(json: string | null, tablet: TabletId = 2000): DocumentWrite {
  const after = json === null ? null : makeDocument(id, idText, json);
  return { tablet, id: id, idText, before: null, after, keys: [] };
}
function roundTrip(json: string): string | null | undefined {
  return decodeCommitRecord(encodeCommitRecord(5n, [write(json)], null, null)).writes[0]?.json;
}

describe("commit records", () => {
  it("keep every document as its canonical text", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("a", "1", "10", "9", "_x", "constructor"), valueArbitrary),
        (fields) => {
          const text = stringifyValue(fields);
          expect(roundTrip(text)).toBe(text);
        },
      ),
    );
  });

  it.each([
    ['{"1":1,"10":2,"9":3,"a":4,"b":{"2":1,"10":1}}', "names that look like integers"],
    ['{"__proto__":{"x":1},"constructor":2,"toString":3}', "names of Object.prototype"],
    ['{"a":"\\u2028\\u0000ä€😀\\"\\\\"}', "characters of all kinds"],
    [
      '{"a":{"$integer":"AQAAAAAAAAA="},"b":{"$float":"AAAAAAAA8H8="},"c":{"$bytes":"AAEC"}}',
      "encoded values",
    ],
    ['{"a":1e+21,"b":5e-324,"c":0.1,"d":-1.7976931348623157e+308}', "numbers at the edges"],
  ])("keep %s (%s)", (json) => {
    const canonical = stringifyValue(makeDocument(id, idText, json).value);
    expect(roundTrip(canonical)).toBe(canonical);
    expect(JSON.parse(canonical)).toEqual(JSON.parse(json));
  });

  it("keep deletions, tables, order, request and call", () => {
    const request: SessionRequest = {
      sessionId: 'a "session"\n',
      requestId: 7,
      ts: 9n,
      resultJson: '{"a":[1,{"$integer":"AQAAAAAAAAA="}]}',
      logLinesJson: "[\"[LOG] 'x'\"]",
    };
    const call: RecordedCall = {
      boot: "0011",
      callSeq: 12,
      resultJson: request.resultJson,
      logLinesJson: request.logLinesJson,
    };
    const writes = [write('{"a":1}', 2000), write(null, 2001)];
    const decoded = decodeCommitRecord(encodeCommitRecord(9n, writes, request, call));
    expect(decoded).toEqual({
      ts: 9n,
      writes: [
        { tablet: 2000, idText, json: '{"a":1}' },
        { tablet: 2001, idText, json: null },
      ],
      request,
      call,
    });
  });

  it("hold no request or call when there is none", () => {
    const decoded = decodeCommitRecord(encodeCommitRecord(9n, [write(null)], null, null));
    expect([decoded.request, decoded.call]).toEqual([null, null]);
  });

  it("are well-formed texts, whatever a document holds", () => {
    fc.assert(
      fc.property(valueArbitrary, (value) => {
        const { payload } = encodeCommitRecord(5n, [write(stringifyValue({ value }))], null, null);
        expect(payload.isWellFormed()).toBe(true);
        expect(() => JSON.parse(payload) as unknown).not.toThrow();
      }),
    );
  });
});
