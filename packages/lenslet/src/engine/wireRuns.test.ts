import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Identity } from "./api.ts";
import type { EngineIn, EngineOut } from "./wire.ts";
import { packIn, packOut, unpackIn, unpackOut } from "./wireRuns.ts";

const identities: Identity[] = [
  { kind: "anonymous" },
  { kind: "anonymous", error: "bad token" },
  { kind: "user", attributes: { tokenIdentifier: "a|b", name: "n" }, expiresAtMs: 7 },
  { kind: "system" },
];
const call = fc.record(
  {
    target: fc.constantFrom(
      { kind: "path", path: "m:f", componentPath: "" },
      { kind: "path", path: "m:g", componentPath: "" },
      { kind: "path", path: "m:f", componentPath: "child" },
      { kind: "reference", fromComponentPath: "", name: "m:f" },
    ),
    argsJson: fc.constantFrom("[{}]", '[{"a":1}]'),
    identity: fc.constantFrom(...identities),
    caller: fc.constantFrom("SyncWorker", "HttpApi", "Action"),
    requestId: fc.constantFrom("0123456789abcdef", "fedcba9876543210"),
    client: fc.constantFrom({ ip: null, userAgent: null }, { ip: "::1", userAgent: "x" }),
    session: fc.record({ sessionId: fc.constantFrom("s", "t"), requestId: fc.nat() }),
    parentExecutionId: fc.constant("p"),
    scheduledFunctionId: fc.constant("j"),
    atTs: fc.bigInt(0n, 9n),
    journal: fc.constantFrom(null, "j"),
  },
  { requiredKeys: ["target", "argsJson", "identity", "caller", "requestId"] },
);
const incoming = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("call"),
      seq: fc.nat(),
      request: fc.record({ type: fc.constantFrom("mutation", "query", "open"), call }),
    }),
  },
  fc.record({
    type: fc.constant("call"),
    seq: fc.nat(),
    condemned: fc.constant({ message: "m" }),
    request: fc.record({ type: fc.constant("mutation"), call }),
  }),
  fc.record({ type: fc.constant("close"), id: fc.nat(), watchers: fc.nat() }),
) as fc.Arbitrary<EngineIn>;
const value = fc.record(
  {
    ok: fc.constantFrom(true, true, true, false),
    valueJson: fc.constantFrom("null", '"x"'),
    logLines: fc.constantFrom([], [], ["line"]),
    ts: fc.option(fc.bigInt(0n, 2n ** 63n - 1n)),
    journal: fc.constantFrom(null, "j"),
  },
  { requiredKeys: ["ok", "valueJson", "logLines", "ts"] },
);
const outgoing = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("answer"),
      seq: fc.nat(),
      value: fc.oneof(value, value, fc.constantFrom(null, "text", {}, [])),
    }),
  },
  fc.record({ type: fc.constant("published"), ts: fc.bigInt(0n, 9n), changed: fc.constant([]) }),
) as fc.Arbitrary<EngineOut>;

describe("runs of messages", () => {
  it("come out as they went in, in order", () => {
    fc.assert(
      fc.property(fc.array(incoming), (messages) => {
        expect(unpackIn(structuredClone(packIn(messages)))).toEqual(messages);
      }),
    );
    fc.assert(
      fc.property(fc.array(outgoing), fc.bigInt(0n, 9n), (messages, gateTs) => {
        expect(unpackOut(structuredClone(packOut({ gateTs, messages })))).toEqual({ gateTs, messages });
      }),
    );
  });

  it("are packed where it counts", () => {
    const one: EngineIn = {
      type: "call",
      seq: 1,
      request: {
        type: "mutation",
        call: {
          target: { kind: "path", path: "m:f", componentPath: "" },
          argsJson: "[{}]",
          identity: { kind: "anonymous" },
          caller: "SyncWorker",
          requestId: "0",
        },
      },
    };
    expect(packIn([one, one, one])).toHaveLength(1);
    const answer: EngineOut = {
      type: "answer",
      seq: 1,
      value: { ok: true, valueJson: "null", logLines: [], ts: 1n },
    };
    expect(packOut({ gateTs: 1n, messages: [answer, answer] }).messages).toHaveLength(1);
  });
});
