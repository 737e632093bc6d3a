import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FunctionCall, Identity } from "../engine/api.ts";
import { add, RawClient, remove, startRig, type Rig } from "./testClient.ts";

/**
 * Random clients over an engine that delivers its answers and events in random portions. Every Transition a client sees
 * must equal a fresh run of the queries of that query-set version, for that identity, at that timestamp.
 */

type Operation =
  | { readonly kind: "add"; readonly client: number; readonly key: number; readonly who: boolean }
  | { readonly kind: "remove"; readonly client: number; readonly pick: number }
  | { readonly kind: "mutate"; readonly client: number; readonly key: number; readonly value: number }
  | { readonly kind: "authenticate"; readonly client: number; readonly subject: number }
  | { readonly kind: "write"; readonly key: number; readonly value: number }
  | { readonly kind: "publish" }
  | { readonly kind: "deliver"; readonly count: number }
  | { readonly kind: "pause" };

const clientCount = 2;
const client = fc.nat({ max: clientCount - 1 });
const key = fc.nat({ max: 2 });
const value = fc.nat({ max: 2 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add"), client, key, who: fc.boolean() } as const) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove"), client, pick: fc.nat(9) } as const) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("mutate"), client, key, value } as const) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("authenticate"), client, subject: fc.nat(2) } as const),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("write"), key, value } as const) },
  { weight: 3, arbitrary: fc.constant({ kind: "publish" } as const) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("deliver"), count: fc.integer({ min: 1, max: 4 }) } as const),
  },
  { weight: 3, arbitrary: fc.constant({ kind: "pause" } as const) },
);

interface Query {
  readonly id: number;
  readonly path: string;
  readonly args: Record<string, unknown>;
}

/** A client that remembers what each of its versions means, and checks each Transition. */
class ModelClient {
  readonly raw: RawClient;
  readonly #rig: Rig;
  readonly #querySets: (readonly Query[])[] = [[]];
  readonly #identities: Identity[] = [{ kind: "anonymous" }];
  #queryId = 0;
  #requestId = 0;
  /** The first Transition that was wrong. */
  failure: unknown = null;

  constructor(rig: Rig, raw: RawClient, sessionId: string) {
    this.#rig = rig;
    this.raw = raw;
    raw.connect({ sessionId });
    raw.onTransition = () => {
      try {
        this.#check();
      } catch (error) {
        this.failure ??= error;
      }
    };
  }

  add(path: string, args: Record<string, unknown>): void {
    const query = { id: this.#queryId++, path, args };
    this.raw.modify(this.#querySets.length - 1, add(query.id, path, args));
    this.#querySets.push([...this.#queries, query]);
  }

  remove(pick: number): void {
    const query = this.#queries[pick % Math.max(1, this.#queries.length)];
    if (!query) return;
    this.raw.modify(this.#querySets.length - 1, remove(query.id));
    this.#querySets.push(this.#queries.filter((other) => other !== query));
  }

  mutate(name: string, value_: number): void {
    this.raw.mutate(this.#requestId++, "m:set", { name, value: value_ });
  }

  authenticate(subject: number): void {
    const message = { type: "Authenticate", baseVersion: this.#identities.length - 1 };
    if (subject === 0) this.raw.send({ ...message, tokenType: "None" });
    else this.raw.send({ ...message, tokenType: "User", value: `good:${subject}` });
    this.#identities.push(
      subject === 0
        ? { kind: "anonymous" }
        : {
            kind: "user",
            attributes: { tokenIdentifier: `i|${subject}`, issuer: "i", subject: `${subject}` },
            expiresAtMs: null,
          },
    );
  }

  get isSettled(): boolean {
    const { querySet, identity } = this.raw.version;
    return (
      querySet === this.#querySets.length - 1 &&
      identity === this.#identities.length - 1 &&
      this.raw.of("MutationResponse").length === this.#requestId
    );
  }

  get #queries(): readonly Query[] {
    return this.#querySets.at(-1) ?? [];
  }

  #check(): void {
    const { version, results, ts } = this.raw;
    const shown = this.#rig.engine.history.findLast((commit) => commit.ts <= ts);
    const identity = this.#identities[version.identity];
    const queries = this.#querySets[version.querySet];
    if (!shown || !identity || !queries) throw new Error(`unknown version ${JSON.stringify(version)}`);
    const fresh = queries.map((query) => {
      const call: FunctionCall = {
        target: { kind: "path", path: query.path, componentPath: "" },
        argsJson: JSON.stringify([query.args]),
        identity,
        caller: "SyncWorker",
        requestId: "",
      };
      const result = this.#rig.engine.evaluate(call, shown.data);
      return [query.id, result.ok ? JSON.parse(result.valueJson) : result.error.message];
    });
    const seen = [...results.entries()].map(([id, result]) => [id, result["value"]]);
    expect(seen.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual(fresh);
  }
}

async function run(operations: readonly Operation[]): Promise<void> {
  const rig = await startRig();
  const { engine } = rig;
  try {
    engine.functions.set("m:get", (data, { args }) => data[String(args["name"])] ?? null);
    engine.functions.set("m:who", (data, { args, identity }) => [
      identity,
      data[String(args["name"])] ?? null,
    ]);
    engine.functions.set("m:set", (data, { args }) => void (data[String(args["name"])] = args["value"]));
    engine.manual = true;
    engine.autoPublish = false;
    const clients: ModelClient[] = [];
    for (let i = 0; i < clientCount; i++) {
      clients.push(
        new ModelClient(rig, await RawClient.open(rig), `00000000-0000-4000-8000-00000000000${i}`),
      );
    }
    const clientOf = (index: number) => clients[index] as ModelClient;
    const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));
    for (const op of operations) {
      if (op.kind === "add") clientOf(op.client).add(op.who ? "m:who" : "m:get", { name: `k${op.key}` });
      else if (op.kind === "remove") clientOf(op.client).remove(op.pick);
      else if (op.kind === "mutate") clientOf(op.client).mutate(`k${op.key}`, op.value);
      else if (op.kind === "authenticate") clientOf(op.client).authenticate(op.subject);
      else if (op.kind === "write") engine.write((data) => (data[`k${op.key}`] = op.value));
      else if (op.kind === "publish") engine.publish();
      else if (op.kind === "deliver") engine.deliver(op.count);
      else await pause();
      expectHealthy(clients);
    }
    const deadline = performance.now() + 5_000;
    while (!clients.every((one) => one.isSettled)) {
      engine.publish();
      engine.deliver();
      await pause();
      expectHealthy(clients);
      expect(performance.now(), "the clients catch up").toBeLessThan(deadline);
    }
    for (const one of clients) one.raw.ws.terminate();
    engine.publish();
    engine.deliver();
    await expect.poll(() => rig.sync.connections()).toBe(0);
    engine.deliver();
    await expect.poll(() => engine.openCount()).toBe(0);
  } finally {
    await rig.close();
  }
}

function expectHealthy(clients: readonly ModelClient[]): void {
  for (const { raw, failure } of clients) {
    if (failure !== null) throw failure;
    if (raw.closed) throw new Error(`closed: ${JSON.stringify(raw.closed)}`);
  }
}

describe("random sessions", () => {
  it("see only consistent snapshots", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40, size: "max" }), run),
      {
        numRuns: 60,
        endOnFailure: false,
      },
    );
  });
});
