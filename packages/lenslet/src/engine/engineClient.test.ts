import { beforeEach, describe, expect, it } from "vitest";
import type { LensletError } from "../base/errors.ts";
import type { CommitTs } from "../log/log.ts";
import type { Deployment, FunctionResult, LiveQueryId, LiveQueryState } from "./api.ts";
import { EngineClient, callsInFlightMax, runawaysOfFunctionMax, type EngineLoss } from "./engineClient.ts";
import { localIdsFrom } from "./liveQueries.ts";
import { anonymous, callOf, user } from "./testEngine.ts";
import type { EngineHandover, EngineIn, EngineOut } from "./wire.ts";

const failure = { message: "Function execution timed out (maximum duration: 1s)\n" };
const deployment: Deployment = {
  version: 1,
  authProviders: [],
  environmentVariables: {},
  canonicalUrls: { convexCloudUrl: "c", convexSiteUrl: "s" },
};

function ok(value: string): FunctionResult {
  return { ok: true, valueJson: JSON.stringify(value), logLines: [] };
}
function state(value: string, version = 1, journal: string | null = null): LiveQueryState {
  return { version, result: ok(value), journal };
}
function textOf(result: FunctionResult): string {
  return result.ok ? (JSON.parse(result.valueJson) as string) : result.error.message;
}

/** The net thread around an EngineClient; the test plays the engine and the log. */
class Rig {
  durableTs: CommitTs = 0n;
  readonly #durableListeners: (() => void)[] = [];
  readonly #soon: (() => void)[] = [];
  /** Everything the net thread is told, in order. */
  readonly events: string[] = [];
  readonly sent: EngineIn[] = [];
  readonly batches: number[] = [];
  readonly client = new EngineClient({
    durability: {
      durableTs: () => this.durableTs,
      onDurable: (listener) => {
        this.#durableListeners.push(listener);
        return () => {};
      },
    },
    soon: (task) => this.#soon.push(task),
  });

  constructor() {
    this.client.subscribe({
      published: (ts, changed) => {
        const news = changed.map(({ id, state }) => `${id}=${textOf(state.result)}#${state.version}`);
        this.events.push(`published ${ts} ${news.join(" ")}`.trim());
      },
      deploymentChanged: () => this.events.push(`deployment ${this.client.deployment().version}`),
      executed: (entries) => this.events.push(`executed ${entries.length}`),
    });
  }

  connect(): EngineHandover {
    const handover = this.client.handover();
    this.client.connect((messages) => {
      this.batches.push(messages.length);
      this.sent.push(...structuredClone(messages));
    });
    return handover;
  }

  durable(ts: CommitTs): void {
    this.durableTs = ts;
    for (const listener of this.#durableListeners) listener();
  }

  /** Runs what was deferred and gives what the engine has received since the last time. */
  take(): EngineIn[] {
    for (const task of this.#soon.splice(0)) task();
    return this.sent.splice(0);
  }

  lose(guilty: number | null): void {
    this.client.disconnected({ guilty, failure } satisfies EngineLoss);
  }

  say(gateTs: CommitTs, ...messages: EngineOut[]): void {
    this.client.receive({ gateTs, messages });
  }

  track(name: string, promise: Promise<unknown>): void {
    promise.then(
      (value) => this.events.push(`${name}: ${JSON.stringify(value, plain)}`),
      (error: LensletError) => this.events.push(`${name} refused: ${error.code}`),
    );
  }

  query(name: string): number {
    this.track(name, this.client.query(callOf(`m:${name}`)));
    return this.newestSeq();
  }
  mutation(name: string): number {
    this.track(name, this.client.mutation(callOf(`m:${name}`)));
    return this.newestSeq();
  }
  newestSeq(): number {
    const calls = this.take().filter((message) => message.type === "call");
    return calls.at(-1)?.seq ?? 0;
  }

  /** Opens a query and answers with the given id. */
  async open(path: string, id: LiveQueryId, value = "v", name = "nobody"): Promise<void> {
    const promise = this.client.openQuery({ ...callOf(path, {}, user(name)), journal: null });
    this.say(0n, { type: "answer", seq: this.newestSeq(), value: { id, state: state(value) } });
    await promise;
  }

  async heard(): Promise<string[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.events.splice(0);
  }
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
function published(ts: CommitTs, ...changed: [LiveQueryId, LiveQueryState][]): EngineOut {
  return { type: "published", ts, changed: changed.map(([id, each]) => ({ id, state: each })) };
}
function loaded(codeId: string, version = 1, more: Partial<Deployment> = {}): EngineOut {
  return { type: "deployment", deployment: { ...deployment, ...more, version }, codeId };
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  rig.connect();
});

describe("messages to the engine", () => {
  it("are one batch for each turn, numbered without end", () => {
    void rig.client.query(callOf("m:a"));
    void rig.client.mutation(callOf("m:b"));
    void rig.client.lookup(callOf("m:c").target, anonymous);
    expect(rig.sent).toEqual([]);
    const calls = rig.take();
    expect(calls.map((message) => message.type === "call" && [message.seq, message.request.type])).toEqual([
      [1, "query"],
      [2, "mutation"],
      [3, "lookup"],
    ]);
    expect(rig.batches).toEqual([3]);
  });

  it("are refused when too many calls wait", async () => {
    for (let i = 0; i < callsInFlightMax; i++) void rig.client.query(callOf("m:a"));
    rig.track("one more", rig.client.query(callOf("m:a")));
    expect(await rig.heard()).toEqual(["one more refused: ExecuteFullError"]);
  });
});

describe("answers and publications", () => {
  it("wait until the log is durable, and then keep the engine's order", async () => {
    await rig.open("m:live", 1);
    const [a, b] = [rig.mutation("a"), rig.query("b")];
    rig.say(10n, { type: "answer", seq: a, value: "A" }, published(10n, [1, state("new")]));
    rig.say(12n, { type: "answer", seq: b, value: "B" });
    expect(await rig.heard()).toEqual([]);
    rig.durable(9n);
    expect(await rig.heard()).toEqual([]);
    rig.durable(11n);
    expect(await rig.heard()).toEqual(["published 10 1=new#2", 'a: "A"']);
    expect(rig.client.latestTs()).toBe(10n);
    rig.durable(12n);
    expect(await rig.heard()).toEqual(['b: "B"']);
  });

  it("are not overtaken by later ones that need not wait", async () => {
    const [a, b] = [rig.mutation("a"), rig.query("b")];
    rig.durable(5n);
    rig.say(6n, { type: "answer", seq: a, value: "A" });
    rig.say(5n, { type: "answer", seq: b, value: "B" });
    expect(await rig.heard()).toEqual([]);
    rig.durable(6n);
    expect(await rig.heard()).toEqual(['a: "A"', 'b: "B"']);
  });

  it("settle a call before the publication that shows it is heard by promise continuations", async () => {
    const a = rig.mutation("a");
    rig.say(0n, { type: "answer", seq: a, value: "A" }, published(0n));
    // Listeners are called at once, continuations follow: sync/ counts on both being in one turn.
    expect(await rig.heard()).toEqual(["published 0", 'a: "A"']);
  });

  it("carry errors with their code and data", async () => {
    const promise = rig.client.query(callOf("m:a"));
    const error = { category: "BadRequest", code: "Odd", message: "odd", data: { x: 1 } } as const;
    rig.say(0n, { type: "reject", seq: rig.newestSeq(), error });
    await expect(promise).rejects.toMatchObject(error);
  });

  it("leave out results that are what everybody knows", async () => {
    await rig.open("m:live", 1, "v");
    rig.say(0n, published(1n, [1, state("v", 9, "journal")], [2, state("unknown")]));
    expect(await rig.heard()).toEqual(["published 1"]);
    rig.lose(null);
    expect(rig.connect().queries.map(({ call }) => call.journal)).toEqual(["journal"]);
  });

  it("pass log entries on", async () => {
    rig.say(0n, { type: "executed", executionsJson: "[]" });
    expect(await rig.heard()).toEqual(["executed 0"]);
  });
});

describe("live queries", () => {
  it("are closed with as many watchers as the engine counts", async () => {
    await rig.open("m:a", 4);
    await rig.open("m:a", 4);
    rig.client.closeQuery(4);
    expect(rig.take()).toEqual([]);
    rig.client.closeQuery(4);
    expect(rig.take()).toEqual([{ type: "close", id: 4, watchers: 2 }]);
    expect(() => rig.client.closeQuery(4)).toThrow("a closed live query was open");
  });

  it("can be opened again while their close is on the way", async () => {
    await rig.open("m:a", 4);
    const promise = rig.client.openQuery({ ...callOf("m:a"), journal: null });
    const seq = rig.newestSeq();
    rig.client.closeQuery(4);
    rig.say(0n, { type: "answer", seq, value: { id: 4, state: state("v") } });
    expect((await promise).id).toBe(4);
    expect(rig.take()).toEqual([{ type: "close", id: 4, watchers: 1 }]);
    rig.client.closeQuery(4);
    expect(rig.take()).toEqual([{ type: "close", id: 4, watchers: 1 }]);
  });

  it("have greater versions when their id is closed and given again", async () => {
    await rig.open("m:a", 4);
    for (const value of ["w", "x"]) rig.say(0n, published(1n, [4, state(value, 1)]));
    const promise = rig.client.openQuery({ ...callOf("m:a"), journal: null });
    const seq = rig.newestSeq();
    rig.client.closeQuery(4);
    rig.say(0n, { type: "answer", seq, value: { id: 4, state: state("x", 1) } });
    expect((await promise).state.version).toBe(4);
  });

  it("have one version for all who hold them", async () => {
    await rig.open("m:a", 4);
    rig.say(0n, published(1n, [4, state("w", 2)]));
    const promise = rig.client.openQuery({ ...callOf("m:a"), journal: null });
    rig.say(0n, { type: "answer", seq: rig.newestSeq(), value: { id: 4, state: state("w", 2) } });
    expect((await promise).state.version).toBe(2);
  });
});

describe("the deployment", () => {
  it("is told when it differs, and its version grows whatever engines count", async () => {
    rig.say(0n, loaded("code 1"));
    rig.say(0n, loaded("code 1", 2));
    rig.say(0n, loaded("code 1", 3, { environmentVariables: { a: "1" } }));
    rig.say(0n, loaded("code 2", 1, { environmentVariables: { a: "1" } }));
    expect(await rig.heard()).toEqual(["deployment 1", "deployment 2", "deployment 3"]);
  });
});

describe("the loss of the engine", () => {
  it("fails the call to blame and asks the others again, under their numbers", async () => {
    const [a, b, c] = [rig.query("a"), rig.mutation("b"), rig.query("c")];
    rig.lose(b);
    rig.connect();
    // Only the next engine knows whether it had been committed before it was noticed.
    expect(rig.take()).toMatchObject([
      { type: "call", seq: a },
      { type: "call", seq: b, condemned: failure },
      { type: "call", seq: c },
    ]);
    rig.say(0n, { type: "answer", seq: a, value: "A" }, { type: "answer", seq: b, value: "B" });
    expect(await rig.heard()).toEqual(['a: "A"', 'b: "B"']);
    rig.lose(null);
    rig.connect();
    expect(rig.take().map((message) => message.type === "call" && message.seq)).toEqual([c]);
  });

  it("fails queries and openings at once, and leaves the fate of operations to the next engine", async () => {
    const a = rig.query("a");
    rig.lose(a);
    rig.connect();
    rig.track("open", rig.client.openQuery({ ...callOf("m:a"), journal: null }));
    rig.lose(rig.newestSeq());
    rig.connect();
    rig.track("system", rig.client.system("x", "{}"));
    const seq = rig.newestSeq();
    rig.lose(seq);
    const failed = { ok: false, error: failure, logLines: [] };
    expect(await rig.heard()).toEqual([
      `a: ${JSON.stringify({ ...failed, ts: "0", journal: null })}`,
      `open: ${JSON.stringify({ id: localIdsFrom, state: { version: 1, result: failed, journal: null } })}`,
    ]);
    rig.connect();
    expect(rig.take()).toMatchObject([{ type: "call", seq, condemned: failure }]);
  });

  it("takes what an earlier engine committed for the answer, in the form of the call", async () => {
    const a = rig.mutation("a");
    rig.track("system", rig.client.system("x", "{}"));
    const system = rig.newestSeq();
    const recorded = { resultJson: "1", logLinesJson: '["[LOG] x"]', ts: 7n };
    rig.lose(null);
    rig.connect();
    rig.take();
    rig.say(
      0n,
      { type: "recovered", seq: a, ...recorded },
      { type: "recovered", seq: system, ...recorded },
      { type: "recovered", seq: 99, ...recorded },
      published(7n),
    );
    expect(await rig.heard()).toEqual([
      "published 7",
      `a: ${JSON.stringify({ ok: true, valueJson: "1", logLines: ["[LOG] x"], ts: "7" })}`,
      'system: "1"',
    ]);
  });

  it("keeps calls that come while there is no engine", async () => {
    rig.lose(null);
    rig.track("a", rig.client.query(callOf("m:a")));
    expect(rig.take()).toEqual([]);
    rig.connect();
    expect(rig.take()).toMatchObject([{ type: "call", seq: 1 }]);
  });

  it("forgets what the engine said and nobody was shown, but for log entries", async () => {
    await rig.open("m:live", 1);
    const a = rig.mutation("a");
    const open = rig.client.openQuery({ ...callOf("m:other"), journal: null });
    const opened = rig.newestSeq();
    rig.track("open", open);
    rig.say(
      10n,
      { type: "answer", seq: a, value: "first" },
      { type: "answer", seq: opened, value: { id: 2, state: state("first") } },
      { type: "executed", executionsJson: "[]" },
      published(10n, [1, state("first")]),
    );
    rig.lose(null);
    const handover = rig.connect();
    expect(handover.queries.map(({ id }) => id)).toEqual([1]);
    expect(rig.take().map((message) => message.type === "call" && message.seq)).toEqual([a, opened]);
    rig.say(10n, published(10n, [1, state("second")]), { type: "answer", seq: a, value: "second" });
    rig.say(10n, { type: "answer", seq: opened, value: { id: 2, state: state("second") } });
    rig.durable(10n);
    const heard = await rig.heard();
    expect(heard.slice(0, 3)).toEqual(["executed 0", "published 10 1=second#2", 'a: "second"']);
    expect(heard).toHaveLength(4);
  });

  it("hands over what is open, which ids are taken, and what has been answered", async () => {
    expect(new Rig().connect()).toEqual({ queries: [], nextLiveQueryId: 1, answeredTs: null });
    await rig.open("m:a", 3);
    await rig.open("m:b", 7);
    rig.client.closeQuery(7);
    rig.say(0n, published(5n));
    rig.lose(null);
    const handover = rig.connect();
    expect(handover).toMatchObject({ nextLiveQueryId: 8, answeredTs: 5n });
    expect(handover.queries.map(({ id }) => id)).toEqual([3]);
  });

  it("closes what was closed while the engine was starting, with one watcher whoever held it", async () => {
    await rig.open("m:a", 3);
    await rig.open("m:a", 3);
    await rig.open("m:b", 4);
    rig.lose(null);
    const handover = rig.client.handover();
    expect(handover.queries.map(({ id }) => id)).toEqual([3, 4]);
    rig.client.closeQuery(3);
    rig.client.closeQuery(3);
    rig.client.connect((messages) => rig.sent.push(...messages));
    expect(rig.take()).toEqual([{ type: "close", id: 3, watchers: 1 }]);
    rig.client.closeQuery(4);
    expect(rig.take()).toEqual([{ type: "close", id: 4, watchers: 1 }]);
  });

  it("does not make versions smaller", async () => {
    await rig.open("m:a", 3);
    for (const value of ["x", "y"]) rig.say(0n, published(1n, [3, state(value, 2)]));
    rig.lose(null);
    rig.connect();
    rig.say(0n, published(2n, [3, state("z", 1)]));
    expect(await rig.heard()).toEqual(["published 1 3=x#2", "published 1 3=y#3", "published 2 3=z#4"]);
  });

  it("ends everything when the log has failed", async () => {
    rig.query("a");
    rig.client.fail(new Error("disk full"));
    rig.track("b", rig.client.query(callOf("m:b")));
    expect(await rig.heard()).toEqual(["a refused: undefined", "b refused: undefined"]);
  });
});

describe("a live query that runs away", () => {
  it("fails for its watchers and is not opened again", async () => {
    await rig.open("m:a", 3);
    await rig.open("m:b", 4);
    rig.lose(-3);
    expect(await rig.heard()).toEqual([`published 0 3=${failure.message}#3`]);
    const handover = rig.connect();
    expect(handover.queries.map(({ id }) => id)).toEqual([4]);
    expect(handover.nextLiveQueryId).toBe(5);
    rig.client.closeQuery(3);
    expect(rig.take()).toEqual([]);
  });

  it("is tried again with new code, and not by an engine that has the same", async () => {
    rig.say(0n, loaded("code 1"));
    await rig.open("m:a", 3);
    rig.lose(-3);
    rig.connect();
    rig.say(0n, loaded("code 1"));
    expect(rig.take()).toEqual([]);
    rig.say(0n, loaded("code 2", 2));
    expect(rig.take()).toMatchObject([{ type: "reopen", queries: [{ id: 3 }] }]);
    await rig.heard();
    rig.say(0n, published(1n, [3, state("fine")]));
    expect(await rig.heard()).toEqual(["published 1 3=fine#3"]);
    rig.client.closeQuery(3);
    expect(rig.take()).toEqual([{ type: "close", id: 3, watchers: 1 }]);
  });

  it("is tried again also when new code comes before the engine is ready for messages", async () => {
    rig.say(0n, loaded("code 1"));
    await rig.open("m:a", 3);
    rig.lose(-3);
    rig.client.handover();
    rig.say(0n, loaded("code 2"));
    rig.client.connect((messages) => rig.sent.push(...messages));
    expect(rig.take()).toMatchObject([{ type: "reopen", queries: [{ id: 3 }] }]);
  });

  it("may be opened by somebody else under an id of this side, and closed there", async () => {
    const open = rig.client.openQuery({ ...callOf("m:a"), journal: null });
    rig.lose(rig.newestSeq());
    const { id } = await open;
    rig.connect();
    rig.client.closeQuery(id);
    expect(rig.take()).toEqual([]);
  });

  it("takes all queries of its function with it when it was not the first", async () => {
    for (let i = 0; i < runawaysOfFunctionMax + 2; i++) await rig.open("m:a", i + 1, "v", `user ${i}`);
    await rig.open("m:b", 50);
    for (let i = 0; i < runawaysOfFunctionMax - 1; i++) {
      rig.lose(-(i + 1));
      rig.connect();
    }
    expect(await rig.heard()).toHaveLength(runawaysOfFunctionMax - 1);
    rig.lose(-runawaysOfFunctionMax);
    const [last] = await rig.heard();
    // The one to blame and the two that were left.
    expect(last?.split(failure.message)).toHaveLength(3 + 1);
    expect(rig.connect().queries.map(({ id }) => id)).toEqual([50]);
  });
});
