import { describe, expect, it } from "vitest";
import { badRequest, LensletError } from "../base/errors.ts";
import type { Identity, MutationCall } from "../engine/api.ts";
import { encodeU64, type ClientMessage } from "../protocol/sync.ts";
import { viewAt, type LiveQuery } from "./liveQueries.ts";
import { shareResult } from "./results.ts";
import { flush, isAwaitingTs, markChanged, retryOpen, step, takeAnsweredBatches } from "./session.ts";
import {
  newSession,
  type Effect,
  type OpenTicket,
  type QuerySlot,
  type Session,
  type SessionEvent,
} from "./sessionState.ts";

const sessionId = "9a0c2f6e-1111-4222-8333-444455556666";
const user = (subject: string, expiresAtMs: number | null = null): Identity => ({
  kind: "user",
  attributes: { tokenIdentifier: `i|${subject}` },
  expiresAtMs,
});

class Driver {
  readonly session: Session = newSession(
    { wake: () => {} },
    { redact: false, newRequestId: () => "feedfeedfeedfeed" },
    { ip: "1.2.3.4", userAgent: null },
  );
  nowMs = 1_000;
  ts = 10n;

  step(event: SessionEvent): readonly Effect[] {
    return step(this.session, event);
  }
  send(message: ClientMessage): readonly Effect[] {
    return this.step({ type: "message", message, nowMs: this.nowMs, monotonicMs: this.nowMs });
  }
  modify(baseVersion: number, ...ids: (number | { remove: number })[]): readonly Effect[] {
    return this.send({
      type: "ModifyQuerySet",
      baseVersion,
      newVersion: baseVersion + 1,
      modifications: ids.map((id) =>
        typeof id === "number"
          ? {
              type: "Add",
              queryId: id,
              udfPath: `m:q${id}`,
              argsJson: "[{}]",
              journal: null,
              componentPath: "",
            }
          : { type: "Remove", queryId: id.remove },
      ),
    });
  }
  mutate(requestId = 0): readonly Effect[] {
    return this.send({ type: "Mutation", requestId, udfPath: "m:w", argsJson: "[{}]", componentPath: "" });
  }
  act(requestId = 0): readonly Effect[] {
    return this.send({ type: "Action", requestId, udfPath: "m:a", argsJson: "[{}]", componentPath: "" });
  }
  authenticate(identity: Identity, baseVersion = this.session.receivedIdentity): readonly Effect[] {
    this.send({ type: "Authenticate", baseVersion, tokenType: "User", value: "t" });
    return this.step({ type: "authenticated", identity, nowMs: this.nowMs, monotonicMs: this.nowMs });
  }
  answer(ticket: OpenTicket, live: LiveQuery<QuerySlot>): readonly Effect[] {
    return this.step({ type: "opened", ticket, live });
  }
  /** Opens query ids with constant results, and sends the first Transition. */
  subscribed(...ids: number[]): LiveQuery<QuerySlot>[] {
    const lives = ids.map((id) => live(`v${id}`));
    tickets(this.modify(0, ...ids)).forEach((ticket, index) =>
      this.answer(ticket, lives[index] as LiveQuery<QuerySlot>),
    );
    this.flush();
    return lives;
  }
  /** Effects of taking the answered batches. */
  readonly settled: Effect[] = [];
  flush() {
    this.settled.push(...takeAnsweredBatches(this.session));
    return flush(this.session, viewAt(this.ts), this.nowMs);
  }
  transition() {
    const next = this.flush();
    if (next?.type !== "transition") throw new Error(`no transition but ${JSON.stringify(next)}`);
    const { start, end, changes } = next;
    const short = (version: typeof start) => [version.querySet, version.identity];
    expect(end.ts).toBe(encodeU64(this.ts));
    return {
      from: short(start),
      to: short(end),
      changes: changes.map(({ queryId, result }) => [queryId, result && JSON.parse(`{"x":0${result.body}}`)]),
    };
  }
}

let nextId = 0;
function live(value: unknown, logLines: string[] = [], journal: string | null = null): LiveQuery<QuerySlot> {
  const result = shareResult({ ok: true, valueJson: JSON.stringify(value), logLines }, journal, "", false);
  return { id: ++nextId, version: 1, journal, result, watchers: new Set() };
}
function failing(message: string, requestId: string): LiveQuery<QuerySlot> {
  const result = shareResult({ ok: false, error: { message }, logLines: [] }, null, requestId, false);
  return { id: ++nextId, version: 1, journal: null, result, watchers: new Set() };
}
function change(entry: LiveQuery<QuerySlot>, value: unknown, logLines: string[] = []): void {
  entry.result = live(value, logLines).result;
  entry.version++;
  for (const slot of entry.watchers) markChanged(slot.session, slot);
}
function tickets(effects: readonly Effect[]): OpenTicket[] {
  return effects.flatMap((effect) => (effect.type === "open" ? [effect.ticket] : []));
}
function ticketOf(effects: readonly Effect[]): OpenTicket {
  const [ticket] = tickets(effects);
  if (!ticket) throw new Error("no query was opened");
  return ticket;
}
const updated = (queryId: number, value: unknown, logLines: string[] = []) => [
  queryId,
  { x: 0, value, logLines },
];

describe("query sets", () => {
  it("acknowledge an empty one at once", () => {
    const driver = new Driver();
    expect(driver.flush()).toBeNull();
    expect(driver.modify(0)).toEqual([]);
    expect(driver.transition()).toEqual({ from: [0, 0], to: [1, 0], changes: [] });
    expect(driver.flush()).toBeNull();
  });

  it("wait for all their queries, in order of query id", () => {
    const driver = new Driver();
    const [five, two] = tickets(driver.modify(0, 5, 2));
    driver.answer(five as OpenTicket, live("five"));
    expect(driver.flush()).toBeNull();
    driver.answer(two as OpenTicket, live("two"));
    expect(driver.transition()).toEqual({
      from: [0, 0],
      to: [1, 0],
      changes: [updated(2, "two"), updated(5, "five")],
    });
  });

  it("are acknowledged in order, several at once", () => {
    const driver = new Driver();
    const slow = ticketOf(driver.modify(0, 0));
    const fast = ticketOf(driver.modify(1, 1));
    driver.modify(2);
    driver.answer(fast, live("fast"));
    expect(driver.flush()).toBeNull();
    driver.answer(slow, live("slow"));
    expect(driver.transition()).toEqual({
      from: [0, 0],
      to: [3, 0],
      changes: [updated(0, "slow"), updated(1, "fast")],
    });
  });

  it("do not hold back running queries while a new one is slow", () => {
    const driver = new Driver();
    const [entry] = driver.subscribed(0) as [LiveQuery<QuerySlot>];
    const slow = ticketOf(driver.modify(1, 1));
    change(entry, "changed");
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 0], changes: [updated(0, "changed")] });
    driver.answer(slow, live("slow"));
    expect(driver.transition()).toEqual({ from: [1, 0], to: [2, 0], changes: [updated(1, "slow")] });
  });

  it("report what was sent as removed, and nothing else", () => {
    const driver = new Driver();
    const [entry] = driver.subscribed(0) as [LiveQuery<QuerySlot>];
    const added = ticketOf(driver.modify(1, 1));
    expect(driver.modify(2, { remove: 0 }, { remove: 1 })).toEqual([]);
    const other = live("never seen");
    driver.answer(added, other);
    expect(driver.transition()).toEqual({ from: [1, 0], to: [3, 0], changes: [[0, null]] });
    expect(driver.settled).toMatchObject([
      { type: "closeQuery", live: entry },
      { type: "closeQuery", live: other },
    ]);
  });

  it("keep a removed query up to date until its removal is acknowledged", () => {
    const driver = new Driver();
    const [entry] = driver.subscribed(0) as [LiveQuery<QuerySlot>];
    const slow = ticketOf(driver.modify(1, 1, { remove: 0 }));
    change(entry, "still there");
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 0], changes: [updated(0, "still there")] });
    driver.answer(slow, live("slow"));
    expect(driver.transition()).toEqual({
      from: [1, 0],
      to: [2, 0],
      changes: [[0, null], updated(1, "slow")],
    });
  });

  it("may use a query id again", () => {
    const driver = new Driver();
    driver.subscribed(0);
    driver.modify(1, { remove: 0 });
    driver.answer(ticketOf(driver.modify(2, 0)), live("new"));
    expect(driver.transition()).toEqual({ from: [1, 0], to: [3, 0], changes: [updated(0, "new")] });
  });

  it("must build on the newest received version", () => {
    const driver = new Driver();
    driver.modify(0, 0);
    expect(driver.modify(0, 1)).toEqual([
      {
        type: "end",
        text: JSON.stringify({
          type: "FatalError",
          error: "Base version 0 passed up doesn't match the current version 1",
        }),
        code: null,
        reason: "",
      },
    ]);
    expect(driver.modify(1)).toEqual([]);
    expect(driver.flush()).toBeNull();
  });

  it("with a duplicate or unknown query id are an internal error", () => {
    const internal = { type: "end", text: null, code: 1011, reason: "InternalServerError" };
    const duplicate = new Driver();
    duplicate.modify(0, 0);
    expect(duplicate.modify(1, 0).at(-1)).toEqual(internal);
    expect(new Driver().modify(0, { remove: 7 })).toEqual([internal]);
  });

  it("pass the client's journal on", () => {
    const driver = new Driver();
    const addition = {
      type: "Add",
      queryId: 0,
      udfPath: "m:p",
      argsJson: "[{}]",
      journal: "j",
      componentPath: "c",
    } as const;
    const effects = driver.send({
      type: "ModifyQuerySet",
      baseVersion: 0,
      newVersion: 1,
      modifications: [addition],
    });
    expect(effects).toMatchObject([
      {
        type: "open",
        call: {
          target: { kind: "path", path: "m:p", componentPath: "c" },
          journal: "j",
          caller: "SyncWorker",
          requestId: "feedfeedfeedfeed",
          client: { ip: "1.2.3.4" },
        },
      },
    ]);
  });
});

describe("live queries", () => {
  it("yield no modification when value and log lines come back to what was sent", () => {
    const driver = new Driver();
    const [entry] = driver.subscribed(0) as [LiveQuery<QuerySlot>];
    change(entry, "other");
    change(entry, "v0");
    expect(driver.flush()).toBeNull();
    change(entry, "v0", ["[LOG] 'new'"]);
    expect(driver.transition().changes).toEqual([updated(0, "v0", ["[LOG] 'new'"])]);
  });

  it("that fail the same way again are unchanged, whatever the request id", () => {
    const driver = new Driver();
    driver.answer(ticketOf(driver.modify(0, 0)), failing("boom", "aaaa"));
    expect(JSON.stringify(driver.transition().changes)).toContain(
      "[Request ID: aaaa] Server Error\\nboom\\n",
    );
    driver.answer(ticketOf(driver.authenticate(user("ada"))), failing("boom", "bbbb"));
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 1], changes: [] });
  });

  it("retry transient failures, then give up", () => {
    const driver = new Driver();
    const ticket = ticketOf(driver.modify(0, 0));
    const error = new Error("engine restarted");
    for (const delayMs of [100, 200, 400, 800, 1600]) {
      expect(driver.step({ type: "openFailed", ticket, error })).toEqual([
        { type: "openLater", ticket, delayMs },
      ]);
      expect(retryOpen(ticket)).toMatchObject({ type: "open", ticket });
    }
    expect(driver.step({ type: "openFailed", ticket, error })).toMatchObject([{ type: "end", code: 1011 }]);
  });

  it("that are not ready yet are left out and joined later", () => {
    const driver = new Driver();
    const [ready, notReady] = tickets(driver.modify(0, 0, 1)) as [OpenTicket, OpenTicket];
    driver.answer(ready, live("ready"));
    const error = new LensletError("FeatureTemporarilyUnavailable", "SearchIndexesUnavailable", "wait");
    expect(driver.step({ type: "openFailed", ticket: notReady, error })).toMatchObject([
      { type: "openLater", delayMs: 1000 },
    ]);
    expect(driver.transition()).toEqual({ from: [0, 0], to: [1, 0], changes: [updated(0, "ready")] });
    driver.answer(notReady, live("at last"));
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 0], changes: [updated(1, "at last")] });
  });
});

describe("mutations", () => {
  const answer = (driver: Driver, effects: readonly Effect[], ts: bigint | null) => {
    const effect = effects.find((candidate) => candidate.type === "mutate");
    if (effect?.type !== "mutate") throw new Error("nothing to answer");
    const { requestId, call } = effect;
    const result =
      ts === null
        ? ({ ok: false, error: { message: "Uncaught Error: no" }, logLines: [], ts } as const)
        : ({ ok: true, valueJson: "null", logLines: ["[LOG] 1"], ts } as const);
    return driver.step({ type: "mutationAnswered", requestId, call, result, monotonicMs: 0 });
  };

  it("carry session, identity and derived request id", () => {
    const driver = new Driver();
    driver.send({
      type: "Connect",
      sessionId,
      connectionCount: 0,
      lastCloseReason: null,
      maxObservedTimestamp: null,
      clientTs: 1_250,
    });
    expect(driver.session.clockSkewMs).toBe(250);
    const [effect] = driver.mutate(7) as [Effect & { call: MutationCall }];
    expect(effect.call).toMatchObject({
      session: { sessionId, requestId: 7 },
      identity: { kind: "anonymous" },
    });
    // printf '9a0c2f6e-1111-4222-8333-444455556666|7' | sha256sum
    expect(effect.call.requestId).toBe("41552d68bf1c9664");
  });

  it("before any Connect run without deduplication", () => {
    const [effect] = new Driver().mutate() as [Effect & { call: MutationCall }];
    expect(effect.call.session).toBeUndefined();
    expect(effect.call.requestId).toBe("feedfeedfeedfeed");
  });

  it("are followed by a Transition at or after their commit, even an empty one", () => {
    const driver = new Driver();
    driver.subscribed();
    const effects = answer(driver, driver.mutate(3), 12n);
    expect(effects).toEqual([
      {
        type: "send",
        text: `{"type":"MutationResponse","requestId":3,"success":true,"result":null,"logLines":["[LOG] 1"],"ts":"${encodeU64(12n)}"}`,
      },
    ]);
    expect(driver.flush()).toBeNull();
    expect(isAwaitingTs(driver.session, viewAt(11n))).toBe(true);
    driver.ts = 11n;
    expect(driver.flush()).toBeNull();
    driver.ts = 13n;
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 0], changes: [] });
    expect(driver.flush()).toBeNull();
  });

  it("of old do not hold back changes before their commit", () => {
    const driver = new Driver();
    const [entry] = driver.subscribed(0) as [LiveQuery<QuerySlot>];
    answer(driver, driver.mutate(), 20n);
    change(entry, "earlier");
    driver.ts = 11n;
    expect(driver.transition().changes).toEqual([updated(0, "earlier")]);
    driver.ts = 20n;
    expect(driver.transition().changes).toEqual([]);
  });

  it("that fail are told, with a Transition at any timestamp", () => {
    const driver = new Driver();
    driver.subscribed();
    const [effect] = answer(driver, driver.mutate(), null) as [Effect & { text: string }];
    expect(JSON.parse(effect.text)).toMatchObject({
      success: false,
      ts: null,
      result: "[Request ID: feedfeedfeedfeed] Server Error\nUncaught Error: no\n",
    });
    expect(driver.transition().changes).toEqual([]);
  });

  it("the engine could not run end the connection, so that they are sent again", () => {
    for (const [error, ending] of [
      [new Error("defect"), { code: 1011, reason: "InternalServerError" }],
      [
        new LensletError("Overloaded", "TooManyConcurrentRequests", "x"),
        { code: 1013, reason: "TooManyConcurrentRequests" },
      ],
    ] as const) {
      const driver = new Driver();
      const [{ call }] = driver.mutate() as [Effect & { call: MutationCall }];
      expect(
        driver.step({ type: "mutationFailed", requestId: 0, call, error, monotonicMs: 0 }),
      ).toMatchObject([ending]);
    }
    const driver = new Driver();
    const [{ call }] = driver.mutate() as [Effect & { call: MutationCall }];
    const error = badRequest("X", "not like this");
    const [effect] = driver.step({ type: "mutationFailed", requestId: 0, call, error, monotonicMs: 0 });
    expect(effect).toMatchObject({ type: "send", text: expect.stringContaining("not like this") });
  });

  it("and actions beyond 1000 waiting close the socket", () => {
    const driver = new Driver();
    for (let i = 0; i < 1000; i++) expect(driver.mutate(i)).toHaveLength(1);
    expect(driver.mutate(1000)).toEqual([
      { type: "end", text: null, code: 1013, reason: "TooManyConcurrentMutations" },
    ]);
    const other = new Driver();
    for (let i = 0; i < 1000; i++) expect(other.act(i)).toHaveLength(1);
    expect(other.act(1000)).toMatchObject([{ code: 1013, reason: "TooManyInflightActionsForSingleClient" }]);
  });
});

describe("actions", () => {
  it("are answered with their result or failure, and a Transition", () => {
    const driver = new Driver();
    driver.subscribed();
    const [{ call }] = driver.act(4) as [Effect & { call: MutationCall }];
    expect(
      driver.step({
        type: "actionAnswered",
        requestId: 4,
        call,
        result: { ok: true, valueJson: "1", logLines: [] },
      }),
    ).toEqual([
      {
        type: "send",
        text: '{"type":"ActionResponse","requestId":4,"success":true,"result":1,"logLines":[]}',
      },
    ]);
    expect(driver.transition().changes).toEqual([]);
    const [effect] = driver.step({ type: "actionFailed", requestId: 5, call, error: new Error("secret") });
    expect(effect).toMatchObject({
      text: expect.stringContaining("Your request couldn't be completed. Try again later.\\n"),
    });
    expect(JSON.stringify(effect)).not.toContain("secret");
  });
});

describe("identities", () => {
  it("re-open every query and answer with one Transition", () => {
    const driver = new Driver();
    const [entry] = driver.subscribed(0) as [LiveQuery<QuerySlot>];
    const ticket = ticketOf(driver.authenticate(user("ada")));
    expect(ticket.identity).toEqual(user("ada"));
    change(entry, "for nobody");
    driver.step({
      type: "actionAnswered",
      requestId: 0,
      call: {} as never,
      result: { ok: true, valueJson: "1", logLines: [] },
    });
    expect(driver.flush()).toBeNull();
    expect(driver.answer(ticket, live("for ada"))).toMatchObject([{ type: "closeQuery", live: entry }]);
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 1], changes: [updated(0, "for ada")] });
  });

  it("that functions cannot tell apart re-open nothing", () => {
    const driver = new Driver();
    driver.answer(ticketOf(driver.modify(0, 0)), live("x"));
    driver.answer(ticketOf(driver.authenticate(user("ada", 5_000))), live("x"));
    driver.flush();
    expect(driver.authenticate(user("ada", 9_000))).toEqual([]);
    expect(driver.transition()).toEqual({ from: [1, 1], to: [1, 2], changes: [] });
    expect(driver.session.identity).toEqual(user("ada", 9_000));
  });

  it("without queries are acknowledged all the same", () => {
    const driver = new Driver();
    driver.authenticate(user("ada"));
    expect(driver.transition()).toEqual({ from: [0, 0], to: [0, 1], changes: [] });
    driver.send({ type: "Authenticate", baseVersion: 1, tokenType: "None" });
    expect(driver.transition()).toEqual({ from: [0, 1], to: [0, 2], changes: [] });
  });

  it("replace the answers that a pending query set still waits for", () => {
    const driver = new Driver();
    const forNobody = ticketOf(driver.modify(0, 0));
    const forAda = ticketOf(driver.authenticate(user("ada")));
    expect(forNobody.abandoned).toBe(true);
    expect(driver.flush()).toBeNull();
    driver.answer(forAda, live("for ada"));
    expect(driver.transition()).toEqual({ from: [0, 0], to: [1, 1], changes: [updated(0, "for ada")] });
  });

  it("that change twice wait for the last one only", () => {
    const driver = new Driver();
    driver.subscribed(0);
    const first = ticketOf(driver.authenticate(user("ada")));
    const second = ticketOf(driver.authenticate(user("bob")));
    expect(first.abandoned).toBe(true);
    driver.answer(second, live("for bob"));
    expect(driver.transition()).toEqual({ from: [1, 0], to: [1, 2], changes: [updated(0, "for bob")] });
  });

  it("hold what follows them until the token is verified", () => {
    const driver = new Driver();
    driver.send({ type: "Authenticate", baseVersion: 0, tokenType: "User", value: "t" });
    expect(driver.modify(0, 0)).toEqual([]);
    expect(driver.mutate(0)).toEqual([]);
    const effects = driver.step({ type: "authenticated", identity: user("ada"), nowMs: 0, monotonicMs: 0 });
    expect(effects).toMatchObject([
      { type: "open", call: { identity: user("ada") } },
      { type: "mutate", call: { identity: user("ada") } },
    ]);
  });

  it("that are refused report the version of the last Transition", () => {
    const driver = new Driver();
    driver.authenticate(user("ada"));
    driver.flush();
    driver.authenticate(user("bob"));
    driver.send({ type: "Authenticate", baseVersion: 2, tokenType: "User", value: "t" });
    const error = new LensletError("Unauthenticated", "InvalidAuthHeader", "no");
    expect(driver.step({ type: "authenticationFailed", error })).toEqual([
      {
        type: "end",
        text: '{"type":"AuthError","error":"no","baseVersion":1,"authUpdateAttempted":true}',
        code: null,
        reason: "",
      },
    ]);
  });

  it.each([
    ["BadRequest", { code: null, text: expect.stringContaining('"authUpdateAttempted":true') }],
    ["Forbidden", { code: null, text: expect.stringContaining("AuthError") }],
    ["Overloaded", { code: 1013, text: null, reason: "Code" }],
    ["Internal", { code: 1011, text: null, reason: "InternalServerError" }],
  ] as const)("refused with %s", (category, ending) => {
    const driver = new Driver();
    driver.send({ type: "Authenticate", baseVersion: 0, tokenType: "Admin", value: "t", actingAs: null });
    const error = new LensletError(category, "Code", "no");
    expect(driver.step({ type: "authenticationFailed", error })).toMatchObject([ending]);
  });

  it("must build on the received version", () => {
    expect(new Driver().send({ type: "Authenticate", baseVersion: 1, tokenType: "None" })).toMatchObject([
      { code: 1011 },
    ]);
  });

  it("that expire end the connection at the next request or Transition", () => {
    const authError =
      '{"type":"AuthError","error":"Convex token identity expired","baseVersion":1,"authUpdateAttempted":false}';
    for (const event of ["mutation", "action", "transition"]) {
      const driver = new Driver();
      driver.authenticate(user("ada", 2_000));
      driver.flush();
      driver.nowMs = 1_999;
      driver.modify(0);
      expect(driver.transition().to).toEqual([1, 1]);
      driver.nowMs = 2_000;
      expect(driver.flush()).toBeNull();
      if (event === "transition") {
        driver.modify(1);
        expect(driver.flush()).toMatchObject({ type: "end", text: authError, code: null });
      } else {
        expect(event === "mutation" ? driver.mutate() : driver.act()).toMatchObject([
          { type: "end", text: authError },
        ]);
      }
    }
  });

  it("that expired leave room for their successor", () => {
    const driver = new Driver();
    driver.authenticate(user("ada", 2_000));
    driver.flush();
    driver.nowMs = 3_000;
    driver.modify(0);
    driver.send({ type: "Authenticate", baseVersion: 1, tokenType: "User", value: "t" });
    expect(driver.flush()).toBeNull();
    driver.step({ type: "authenticated", identity: user("ada", 9_000), nowMs: 3_000, monotonicMs: 0 });
    expect(driver.transition()).toEqual({ from: [0, 1], to: [1, 2], changes: [] });
  });
});

describe("a session", () => {
  it("takes no client back behind what it has seen", () => {
    const driver = new Driver();
    const message = {
      type: "Connect",
      sessionId,
      connectionCount: 1,
      lastCloseReason: "x",
      clientTs: null,
    } as const;
    driver.send({ ...message, maxObservedTimestamp: 15n });
    driver.modify(0);
    expect(driver.flush()).toBeNull();
    expect(isAwaitingTs(driver.session, viewAt(14n))).toBe(true);
    driver.ts = 15n;
    expect(driver.transition().to).toEqual([1, 0]);
  });

  it("closes what it opened, and forgets what comes later", () => {
    const driver = new Driver();
    const lives = driver.subscribed(0, 1);
    const pending = ticketOf(driver.modify(1, 2));
    expect(driver.step({ type: "closed" })).toMatchObject(
      lives.map((entry) => ({ type: "closeQuery", live: entry })),
    );
    expect(pending.abandoned).toBe(true);
    expect(retryOpen(pending)).toBeNull();
    expect(driver.step({ type: "closed" })).toEqual([]);
    expect(driver.mutate()).toEqual([]);
    expect(driver.flush()).toBeNull();
  });

  it("ignores telemetry", () => {
    expect(new Driver().send({ type: "Event", eventType: "ClientConnect" })).toEqual([]);
  });
});
