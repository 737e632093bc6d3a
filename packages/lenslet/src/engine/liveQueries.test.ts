import { beforeEach, describe, expect, it } from "vitest";
import type { DocumentWrite } from "../store/store.ts";
import { ReadSet, pointInterval } from "../transaction/readSet.ts";
import type { FunctionResult, Identity, LiveQueryId, LiveQueryState } from "./api.ts";
import {
  LiveQueries,
  cachedResultBytesMax,
  cachedResultsMax,
  clockResultAgeMaxMs,
  localIdsFrom,
  sameResult,
  type QuerySpec,
} from "./liveQueries.ts";
import { admin, anonymous, user } from "./testEngine.ts";

const index = 1;

/** A database of named cells and queries over them; counts every run. */
class World {
  readonly cells = new Map<string, string>();
  /** Paths that look at the identity when the cell "personal" is set, or always. */
  readonly personal = new Set<string>();
  readonly timed = new Set<string>();
  readonly runs: { path: string; user: string; journal: string | null; liveId: LiveQueryId | null }[] = [];
  nowMs = 0;
  bytes = "";
  readonly live = new LiveQueries(
    (spec, journal, liveId) => {
      const name = nameOf(spec.identity);
      this.runs.push({ path: spec.path, user: name, journal, liveId });
      const reads = new ReadSet();
      reads.add(index, pointInterval(spec.path));
      const usedIdentity =
        this.personal.has(spec.path) && (this.personal.has("always") || this.cells.get("personal") === "on");
      if (this.personal.has(spec.path)) reads.add(index, pointInterval("personal"));
      const cell = this.cells.get(spec.path) ?? "-";
      const time = this.timed.has(spec.path) ? `@${this.nowMs}` : "";
      const value = `${cell}${usedIdentity ? `/${name}` : ""}${time}${this.bytes}`;
      return {
        result: { ok: true, valueJson: JSON.stringify(value), logLines: [] },
        journal: `journal of ${cell}`,
        reads,
        usedIdentity,
        usedClock: this.timed.has(spec.path),
      };
    },
    () => this.nowMs,
  );

  write(path: string, value: string): void {
    this.cells.set(path, value);
    const keys = [{ index, before: path, after: path }];
    this.live.invalidate([{ keys } as unknown as DocumentWrite]);
  }
  take(): { path: string; user: string; journal: string | null; liveId: LiveQueryId | null }[] {
    return this.runs.splice(0);
  }
}

function nameOf(identity: Identity): string {
  return identity.kind === "user" ? String(identity.attributes["name"]) : identity.kind;
}
function spec(path: string, options: Partial<QuerySpec> = {}): QuerySpec {
  return { componentPath: "", path, argsJson: "[{}]", identity: anonymous, journal: null, ...options };
}
function textOf(result: FunctionResult): string {
  return result.ok ? (JSON.parse(result.valueJson) as string) : "error";
}
function texts(
  changed: readonly { id: LiveQueryId; state: LiveQueryState }[],
): [LiveQueryId, number, string][] {
  return changed.map(({ id, state }) => [id, state.version, textOf(state.result)]);
}

let world: World;
beforeEach(() => {
  world = new World();
});

describe("sharing of live queries", () => {
  it("is one entry and one run for equal calls of anybody", () => {
    const first = world.live.open(spec("a"), null);
    const second = world.live.open(spec("a"), null);
    const other = world.live.open(spec("a", { identity: user("u") }), null);
    expect(second.id).toBe(first.id);
    expect(other.id).not.toBe(first.id);
    expect(world.take()).toHaveLength(1);
    world.write("a", "1");
    expect(texts(world.live.refresh())).toEqual([
      [first.id, 2, "1"],
      [other.id, 2, "1"],
    ]);
    expect(world.take()).toHaveLength(1);
  });

  it("is not for different arguments, paths, components or journals", () => {
    const specs = [
      spec("a"),
      spec("b"),
      spec("a", { argsJson: "[{ }]" }),
      spec("a", { componentPath: "c" }),
      spec("a", { journal: "j" }),
      spec("a", { identity: admin }),
    ];
    const ids = specs.map((each) => world.live.open(each, null).id);
    expect(new Set(ids).size).toBe(specs.length);
    expect(world.take()).toHaveLength(specs.length);
  });

  it("cannot be obtained by strings that pass for other parts of the key", () => {
    world.live.open(spec("secret", { identity: admin }), null);
    world.live.open(spec("a", { journal: null, argsJson: "[{}\n]" }), null);
    world.take();
    for (const forged of [
      spec("secret", { componentPath: "!" }),
      spec("secret", { componentPath: "true" }),
      spec("a", { journal: "\n[{}", argsJson: "]" }),
      spec("a", { journal: "", argsJson: "[{}\n]" }),
    ]) {
      world.live.read(forged);
    }
    expect(world.take()).toHaveLength(4);
  });

  it("is by identity for what looks at it", () => {
    world.personal.add("a").add("always");
    const one = world.live.open(spec("a", { identity: user("one") }), null);
    const two = world.live.open(spec("a", { identity: user("two") }), null);
    const oneAgain = world.live.open(spec("a", { identity: user("one") }), null);
    expect([textOf(one.state.result), textOf(two.state.result)]).toEqual(["-/one", "-/two"]);
    expect(oneAgain.id).toBe(one.id);
    expect(world.take()).toHaveLength(2);
    world.write("a", "1");
    expect(texts(world.live.refresh())).toEqual([
      [one.id, 2, "1/one"],
      [two.id, 2, "1/two"],
    ]);
  });

  it("ends when a run begins to look at the identity, and each watcher gets its own result", () => {
    world.personal.add("a");
    const names = ["one", "two", "three"];
    const opened = names.map((name) => world.live.open(spec("a", { identity: user(name) }), null));
    expect(world.take()).toHaveLength(1);
    world.write("personal", "on");
    expect(texts(world.live.refresh())).toEqual(opened.map(({ id }, i) => [id, 2, `-/${names[i]}`]));
    expect(world.take().map((run) => run.user)).toEqual(names);
  });

  it("ends also when the identity it ran with does not watch any more", () => {
    world.personal.add("a");
    const one = world.live.open(spec("a", { identity: user("one") }), null);
    const two = world.live.open(spec("a", { identity: user("two") }), null);
    world.live.close(one.id, 1);
    world.write("personal", "on");
    expect(texts(world.live.refresh())).toEqual([[two.id, 2, "-/two"]]);
    world.take();
    world.write("a", "1");
    expect(texts(world.live.refresh())).toEqual([[two.id, 3, "1/two"]]);
    expect(world.take()).toHaveLength(1);
  });

  it("passes the journal on to those that split off", () => {
    world.personal.add("a");
    world.live.open(spec("a", { identity: user("one") }), null);
    world.live.open(spec("a", { identity: user("two") }), null);
    world.take();
    world.write("personal", "on");
    world.live.refresh();
    expect(world.take().map(({ journal }) => journal)).toEqual(["journal of -", "journal of -"]);
  });

  it("leaves nobody behind when queries stop looking at the identity", () => {
    world.personal.add("a");
    world.cells.set("personal", "on");
    const one = world.live.open(spec("a", { identity: user("one") }), null);
    const two = world.live.open(spec("a", { identity: user("two") }), null);
    world.write("personal", "off");
    world.live.refresh();
    world.cells.set("a", "new code says so");
    world.live.invalidateAll();
    expect(texts(world.live.refresh())).toEqual([
      [one.id, 3, "new code says so"],
      [two.id, 3, "new code says so"],
    ]);
    world.write("a", "1");
    expect(texts(world.live.refresh())).toHaveLength(2);
  });
});

describe("re-running live queries", () => {
  it("happens only for what a commit touched, and tells only what changed", () => {
    const a = world.live.open(spec("a"), null);
    world.live.open(spec("b"), null);
    world.take();
    world.write("a", "-");
    expect(world.live.hasDirty).toBe(true);
    expect(world.live.refresh()).toEqual([]);
    expect(world.take().map(({ path }) => path)).toEqual(["a"]);
    world.write("a", "1");
    world.write("a", "2");
    expect(texts(world.live.refresh())).toEqual([[a.id, 2, "2"]]);
    expect(world.take()).toHaveLength(1);
    expect(world.live.hasDirty).toBe(false);
  });

  it("names the watcher to blame, and no one when a caller asks", () => {
    const { id } = world.live.open(spec("a"), null);
    world.write("a", "1");
    world.live.refresh();
    expect(world.take().map(({ liveId }) => liveId)).toEqual([null, id]);
  });

  it("gives the newest journal to each later run", () => {
    world.live.open(spec("a"), null);
    for (const value of ["1", "2"]) {
      world.write("a", value);
      world.live.refresh();
    }
    expect(world.take().map(({ journal }) => journal)).toEqual([null, "journal of -", "journal of 1"]);
  });

  it("ends with the last watcher", () => {
    const { id } = world.live.open(spec("a"), null);
    world.live.open(spec("a"), null);
    world.live.close(id, 1);
    world.write("a", "1");
    expect(world.live.refresh()).toHaveLength(1);
    world.live.close(id, 1);
    expect(world.live.watchedCount).toBe(0);
    world.take();
    world.write("a", "2");
    expect(world.live.refresh()).toEqual([]);
    expect(world.take()).toEqual([]);
    expect(() => world.live.close(id, 1)).toThrow("a closed live query was open");
  });

  it("does not happen for what was closed while it was dirty", () => {
    const { id } = world.live.open(spec("a"), null);
    world.write("a", "1");
    world.live.close(id, 1);
    world.take();
    expect(world.live.refresh()).toEqual([]);
    expect(textOf(world.live.read(spec("a")).run.result)).toBe("1");
    expect(world.take()).toHaveLength(1);
  });
});

describe("results without watchers", () => {
  it("are kept for the next caller until a commit touches them", () => {
    world.live.read(spec("a"));
    expect(world.live.read(spec("a", { identity: user("u") })).cached).toBe(true);
    expect(world.take()).toHaveLength(1);
    const { id } = world.live.open(spec("a"), null);
    world.live.close(id, 1);
    world.live.read(spec("a"));
    expect(world.take()).toEqual([]);
    world.write("a", "1");
    expect(world.live.refresh()).toEqual([]);
    expect(textOf(world.live.read(spec("a")).run.result)).toBe("1");
    expect(world.take()).toHaveLength(1);
  });

  it("are dropped when they are too many, the least recently used first", () => {
    for (let i = 0; i < cachedResultsMax; i++) world.live.read(spec(`p${i}`));
    world.live.read(spec("p0"));
    world.live.read(spec("new"));
    world.take();
    world.live.read(spec("p0"));
    expect(world.take()).toEqual([]);
    world.live.read(spec("p1"));
    expect(world.take()).toHaveLength(1);
  });

  it("are dropped when they are too large together", () => {
    const watched = world.live.open(spec("watched"), null);
    world.bytes = "x".repeat(cachedResultBytesMax / 4);
    for (const path of ["a", "b", "c", "d"]) world.live.read(spec(path));
    world.take();
    for (const path of ["d", "c", "b"]) world.live.read(spec(path));
    expect(world.take()).toEqual([]);
    world.live.read(spec("a"));
    expect(world.take()).toHaveLength(1);
    world.write("watched", "1");
    expect(world.live.refresh().map(({ id }) => id)).toEqual([watched.id]);
  });
});

describe("results that read the clock", () => {
  beforeEach(() => {
    world.timed.add("a");
  });

  it("are reused for a while", () => {
    world.live.read(spec("a"));
    world.nowMs = clockResultAgeMaxMs;
    expect(textOf(world.live.read(spec("a")).run.result)).toBe("-@0");
    world.nowMs += 1;
    expect(textOf(world.live.read(spec("a")).run.result)).toBe(`-@${world.nowMs}`);
    expect(world.take()).toHaveLength(2);
  });

  it("are not re-run by time alone", () => {
    world.live.open(spec("a"), null);
    world.nowMs = 10 * clockResultAgeMaxMs;
    expect(world.live.hasDirty).toBe(false);
    expect(world.live.refresh()).toEqual([]);
  });

  it("are new for new callers, and then for those who watch already too", () => {
    const { id } = world.live.open(spec("a"), null);
    world.nowMs = clockResultAgeMaxMs + 1;
    const again = world.live.open(spec("a"), null);
    expect([again.id, textOf(again.state.result)]).toEqual([id, `-@${world.nowMs}`]);
    expect(texts(world.live.takeRenewed())).toEqual([[id, 2, `-@${world.nowMs}`]]);
    expect(world.live.takeRenewed()).toEqual([]);
    world.nowMs *= 3;
    expect(textOf(world.live.read(spec("a", { identity: user("u") })).run.result)).toBe(`-@${world.nowMs}`);
    expect(texts(world.live.takeRenewed())).toEqual([[id, 3, `-@${world.nowMs}`]]);
  });

  it("find a new caller's own result when the renewed run looks at the identity", () => {
    world.personal.add("a");
    const one = world.live.open(spec("a", { identity: user("one") }), null);
    world.nowMs = clockResultAgeMaxMs + 1;
    world.cells.set("personal", "on");
    expect(textOf(world.live.read(spec("a", { identity: user("two") })).run.result)).toBe(
      `-/two@${world.nowMs}`,
    );
    expect(texts(world.live.takeRenewed())).toEqual([[one.id, 2, `-/one@${world.nowMs}`]]);
  });
});

describe("ids given by the net thread", () => {
  it("are used, and not given out again", () => {
    world.live.open(spec("a"), 7);
    expect(world.live.open(spec("b"), null).id).toBe(8);
    world.live.open(spec("c"), localIdsFrom + 3);
    expect(world.live.open(spec("d"), null).id).toBe(9);
    world.live.reserveIds(20);
    world.live.reserveIds(5);
    expect(world.live.open(spec("e"), null).id).toBe(20);
  });

  it("may name the same query twice; both entries are kept up to date and closed", () => {
    world.live.open(spec("a"), 1);
    world.live.open(spec("a"), 2);
    expect(world.take()).toHaveLength(1);
    world.write("a", "1");
    expect(world.live.refresh().map(({ id }) => id)).toEqual([1, 2]);
    world.live.close(1, 1);
    expect(world.live.open(spec("a"), null).id).toBe(2);
    world.live.close(2, 2);
    expect(world.live.watchedCount).toBe(0);
  });

  it("blame the query that is opened again", () => {
    world.live.open(spec("a"), 7);
    expect(world.take().map(({ liveId }) => liveId)).toEqual([7]);
  });
});

it("compares results by value, error, data and log lines", () => {
  const ok = (valueJson: string, ...logLines: string[]): FunctionResult => ({
    ok: true,
    valueJson,
    logLines,
  });
  const failed = (message: string, dataJson?: string): FunctionResult => ({
    ok: false,
    error: dataJson === undefined ? { message } : { message, dataJson },
    logLines: [],
  });
  expect(sameResult(ok("1", "a"), ok("1", "a"))).toBe(true);
  expect(sameResult(failed("x", "1"), failed("x", "1"))).toBe(true);
  for (const [a, b] of [
    [ok("1"), ok("2")],
    [ok("1"), ok("1", "a")],
    [ok("1", "a"), ok("1", "b")],
    [ok("1"), failed("1")],
    [failed("x"), failed("y")],
    [failed("x"), failed("x", "1")],
    [failed("x", "1"), failed("x", "2")],
  ] as const) {
    expect([sameResult(a, b), sameResult(b, a)]).toEqual([false, false]);
  }
});
