import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LensletError } from "../base/errors.ts";
import { decodeU64, encodeU64, parseClientMessage } from "./sync.ts";
import * as server from "./syncServer.ts";

const sessionId = "9a0c2f6e-1111-4222-8333-444455556666";

function rejection(json: unknown): string {
  try {
    parseClientMessage(typeof json === "string" ? json : JSON.stringify(json));
  } catch (error) {
    if (!(error instanceof LensletError)) throw error;
    expect([error.category, error.code]).toEqual(["BadRequest", "WSMessageInvalidJson"]);
    expect(error.message).toMatch(/^Received Invalid JSON on websocket: /);
    return error.message.slice("Received Invalid JSON on websocket: ".length);
  }
  throw new Error("the message was accepted");
}

describe("u64", () => {
  it("is 8 bytes little-endian in padded base64", () => {
    expect(encodeU64(0n)).toBe("AAAAAAAAAAA=");
    expect(encodeU64(1n)).toBe("AQAAAAAAAAA=");
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (n) => {
        expect(decodeU64(encodeU64(n))).toBe(n);
      }),
    );
  });
  it("refuses everything else", () => {
    for (const text of ["", "AAAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAAB=", "AAAA AAAAAA=", "!AAAAAAAAAA="]) {
      expect(decodeU64(text)).toBeNull();
    }
  });
});

describe("client messages", () => {
  it.each([
    [
      {
        type: "Connect",
        sessionId: sessionId.toUpperCase(),
        connectionCount: 2,
        lastCloseReason: null,
        clientTs: 5,
      },
      {
        type: "Connect",
        sessionId,
        connectionCount: 2,
        lastCloseReason: null,
        maxObservedTimestamp: null,
        clientTs: 5,
      },
    ],
    [
      { type: "Connect", sessionId, connectionCount: 0, maxObservedTimestamp: "AQAAAAAAAAA=", unknown: 1 },
      {
        type: "Connect",
        sessionId,
        connectionCount: 0,
        lastCloseReason: null,
        maxObservedTimestamp: 1n,
        clientTs: null,
      },
    ],
    [
      {
        type: "ModifyQuerySet",
        baseVersion: 0,
        newVersion: 1,
        modifications: [
          { type: "Add", queryId: 0, udfPath: "m:f", args: [{ a: 1 }] },
          { type: "Add", queryId: 1, udfPath: "m:g", args: [{}], journal: "j", componentPath: "c" },
          { type: "Remove", queryId: 0 },
        ],
      },
      {
        type: "ModifyQuerySet",
        baseVersion: 0,
        newVersion: 1,
        modifications: [
          {
            type: "Add",
            queryId: 0,
            udfPath: "m:f",
            argsJson: '[{"a":1}]',
            journal: null,
            componentPath: "",
          },
          { type: "Add", queryId: 1, udfPath: "m:g", argsJson: "[{}]", journal: "j", componentPath: "c" },
          { type: "Remove", queryId: 0 },
        ],
      },
    ],
    [
      { type: "Mutation", requestId: 3, udfPath: "m:f", args: [{ __proto__x: 1 }] },
      { type: "Mutation", requestId: 3, udfPath: "m:f", argsJson: '[{"__proto__x":1}]', componentPath: "" },
    ],
    [
      { type: "Authenticate", baseVersion: 0, tokenType: "None" },
      { type: "Authenticate", baseVersion: 0, tokenType: "None" },
    ],
    [
      {
        type: "Authenticate",
        baseVersion: 1,
        tokenType: "Admin",
        value: "k",
        impersonating: { issuer: "i", subject: "s" },
      },
      {
        type: "Authenticate",
        baseVersion: 1,
        tokenType: "Admin",
        value: "k",
        actingAs: { issuer: "i", subject: "s", tokenIdentifier: "i|s" },
      },
    ],
    [
      {
        type: "Authenticate",
        baseVersion: 1,
        tokenType: "Admin",
        value: "k",
        acting_as: { tokenIdentifier: "t" },
      },
      {
        type: "Authenticate",
        baseVersion: 1,
        tokenType: "Admin",
        value: "k",
        actingAs: { tokenIdentifier: "t" },
      },
    ],
    [
      { type: "Event", eventType: "ClientConnect", event: [] },
      { type: "Event", eventType: "ClientConnect" },
    ],
  ])("parses %j", (json, message) => {
    expect(parseClientMessage(JSON.stringify(json))).toEqual(message);
  });

  it("keeps an argument called __proto__ an argument", () => {
    const text = '{"type":"Action","requestId":0,"udfPath":"m:f","args":[{"__proto__":{"x":1}}]}';
    expect(parseClientMessage(text)).toMatchObject({ argsJson: '[{"__proto__":{"x":1}}]' });
  });

  it.each([
    ["{", "Expected property name or '}' in JSON at position 1 (line 1 column 2)"],
    ["[]", "message must be an object"],
    [{}, "missing field `type`"],
    [{ type: "Hello" }, 'unknown message type "Hello"'],
    [{ type: "Connect", connectionCount: 0 }, "missing field `sessionId`"],
    [{ type: "Connect", sessionId: "x", connectionCount: 0 }, 'field `sessionId` must be a UUID, got "x"'],
    [
      { type: "Connect", sessionId, connectionCount: 0, maxObservedTimestamp: "AQ==" },
      "field `maxObservedTimestamp` must be 8 bytes in base64",
    ],
    [
      { type: "Mutation", requestId: -1, udfPath: "f", args: [] },
      "field `requestId` must be an unsigned 32-bit integer",
    ],
    [
      { type: "Mutation", requestId: 2 ** 32, udfPath: "f", args: [] },
      "field `requestId` must be an unsigned 32-bit integer",
    ],
    [{ type: "Mutation", requestId: 0, args: [] }, "missing field `udfPath`"],
    [{ type: "Mutation", requestId: 0, udfPath: "f", args: {} }, "field `args` must be an array"],
    [
      { type: "ModifyQuerySet", baseVersion: 1, newVersion: 1, modifications: [] },
      "field `newVersion` must be greater than `baseVersion`",
    ],
    [
      {
        type: "ModifyQuerySet",
        baseVersion: 0,
        newVersion: 1,
        modifications: [{ type: "Replace", queryId: 1 }],
      },
      'unknown modification type "Replace"',
    ],
    [{ type: "Authenticate", baseVersion: 0, tokenType: "Robot" }, 'unknown token type "Robot"'],
    [
      { type: "Authenticate", baseVersion: 0, tokenType: "Admin", value: "k", impersonating: { name: "x" } },
      'Either "tokenIdentifier" or "issuer" and "subject" must be set',
    ],
    [
      {
        type: "Authenticate",
        baseVersion: 0,
        tokenType: "Admin",
        value: "k",
        impersonating: { tokenIdentifier: "t", emailVerified: "yes" },
      },
      'user identity attribute "emailVerified" must be a boolean',
    ],
  ])("refuses %j", (json, detail) => {
    expect(rejection(json)).toBe(detail);
  });

  it("refuses arguments nested beyond the stack", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(rejection(`{"type":"Action","requestId":0,"udfPath":"f","args":${deep}}`)).toContain(
      "nested too deeply",
    );
  });

  it("answers any text with a message or a LensletError", () => {
    const type = fc.constantFrom(
      "Connect",
      "ModifyQuerySet",
      "Mutation",
      "Action",
      "Authenticate",
      "Event",
      "x",
    );
    const field = fc.constantFrom(
      "sessionId",
      "requestId",
      "udfPath",
      "args",
      "baseVersion",
      "newVersion",
      "modifications",
      "tokenType",
      "value",
    );
    const almost = fc
      .tuple(type, fc.dictionary(field, fc.jsonValue()))
      .map(([t, fields]) => JSON.stringify({ ...fields, type: t }));
    fc.assert(
      fc.property(fc.oneof(almost, fc.json(), fc.string()), (text) => {
        try {
          expect(parseClientMessage(text)).toHaveProperty("type");
        } catch (error) {
          expect(error).toBeInstanceOf(LensletError);
        }
      }),
    );
  });
});

describe("server messages", () => {
  it("are JSON with the values spliced in", () => {
    const ok = { ok: true, valueJson: '{"a":1}', logLines: ["[LOG] 'x'"] } as const;
    const bad = { ok: false, errorMessage: 'say "no"', dataJson: "null", logLines: [] } as const;
    expect(JSON.parse(server.mutationResponseText(1, ok, "AQAAAAAAAAA="))).toEqual({
      type: "MutationResponse",
      requestId: 1,
      success: true,
      result: { a: 1 },
      ts: "AQAAAAAAAAA=",
      logLines: ["[LOG] 'x'"],
    });
    expect(JSON.parse(server.mutationResponseText(1, bad, ""))).toEqual({
      type: "MutationResponse",
      requestId: 1,
      success: false,
      result: 'say "no"',
      ts: null,
      logLines: [],
      errorData: null,
    });
    expect(JSON.parse(server.actionResponseText(2, { ok: false, errorMessage: "e", logLines: [] }))).toEqual({
      type: "ActionResponse",
      requestId: 2,
      success: false,
      result: "e",
      logLines: [],
    });
  });
});
