import { describe, expect, it } from "vitest";
import type { LiveQueryState } from "../engine/api.ts";
import { LiveQueries, viewAt } from "./liveQueries.ts";

const state = (version: number, value: unknown = version): LiveQueryState => ({
  version,
  result: { ok: true, valueJson: JSON.stringify(value), logLines: [] },
  journal: null,
});

describe("LiveQueries", () => {
  const fresh = () => new LiveQueries<string>({ redact: false, newRequestId: () => "0" });

  it("share one entry and one serialization between all openers", () => {
    const queries = fresh();
    const first = queries.adopt({ id: 1, state: state(1) });
    first.watchers.add("a");
    const before = first.result;
    const second = queries.adopt({ id: 1, state: state(1) });
    expect(second).toBe(first);
    expect(second.result).toBe(before);
    second.watchers.add("b");
    queries.unwatch(first, "a");
    expect(queries.size).toBe(1);
    queries.unwatch(first, "b");
    expect(queries.size).toBe(0);
  });

  it("never go back to an older state", () => {
    const queries = fresh();
    const entry = queries.adopt({ id: 1, state: state(2) });
    queries.adopt({ id: 1, state: state(1) });
    queries.publish(1, state(2, "impossible"));
    expect(entry.result.body).toContain('"value":2');
    queries.publish(1, state(3));
    expect(entry.version).toBe(3);
  });

  it("keep a change that overtakes the answer of an open, and only that long", () => {
    const queries = fresh();
    expect(queries.publish(1, state(2))).toBeNull();
    queries.openStarted();
    expect(queries.publish(1, state(3))).toBeNull();
    expect(queries.adopt({ id: 1, state: state(1) }).version).toBe(3);
    queries.openEnded();
    expect(queries.adopt({ id: 2, state: state(1) }).version).toBe(1);
  });
});

describe("a view", () => {
  it("gives sessions at equal versions one object", () => {
    const view = viewAt(5n);
    expect(view.version(1, 0)).toBe(view.version(1, 0));
    expect(view.version(1, 0)).toEqual({ querySet: 1, identity: 0, ts: "BQAAAAAAAAA=" });
    expect(view.version(2, 1)).toEqual({ querySet: 2, identity: 1, ts: "BQAAAAAAAAA=" });
  });
});
