import { describe, expect, it } from "vitest";
import type { EngineApi } from "../engine/api.ts";
import { seededRandom } from "../log/testSupport.ts";
import { MemoryLog } from "../log/memory.ts";
import { StreamSelection } from "../protocol/streamSelection.ts";
import { tableBreaksTable } from "../store/systemTables.ts";
import { DataSync } from "./dataSync.ts";
import { readLogPage } from "./logPages.ts";
import { StreamEngine } from "./streamRows.ts";

/** A log of commits to two tables, and an engine that knows them. */
class Rig {
  readonly log = new MemoryLog();
  readonly tables = [{ tablet: 2000, component: "", name: "a" }];

  readonly api = {
    system: (operation: string) => {
      if (operation === "stream.tables") {
        return Promise.resolve(JSON.stringify({ tables: this.tables, breaks: tableBreaksTable.tablet }));
      }
      const answer = operation === "stream.open" ? { ts: "512", snapshot: 1 } : { documents: [], next: null };
      return Promise.resolve(JSON.stringify(answer));
    },
  } as unknown as EngineApi;
  #ts = 0n;

  commit(writes: readonly (readonly [tablet: number, id: string, document: object | null])[]): bigint {
    this.#ts += 512n;
    this.log.append([{ ts: this.#ts, payload: JSON.stringify({ w: writes }) }]);
    return this.#ts;
  }

  async page(after: bigint, selection = StreamSelection.all) {
    this.log.waitDurableSync(this.#ts, 1000);
    return await readLogPage(new StreamEngine(this.api), this.log, after, selection, "BadCursor");
  }
}

const many = (tablet: number, count: number) =>
  Array.from({ length: count }, (_, n) => [tablet, `id${n}`, { _id: `id${n}`, n }] as const);

describe("pages of the log", () => {
  it("end with the commit that fills them, whose rows come together", async () => {
    const rig = new Rig();
    const first = rig.commit(many(2000, 100));
    const second = rig.commit(many(2000, 500));
    const third = rig.commit([[2000, "id0", null]]);
    const page = await rig.page(0n);
    expect([page.rows.length, page.cursor, page.hasMore]).toEqual([600, second, true]);
    expect(new Set(page.rows.map(({ ts }) => ts))).toEqual(new Set([first, second]));
    const rest = await rig.page(page.cursor);
    expect(rest).toMatchObject({ cursor: third, hasMore: false, rows: [{ write: { json: null } }] });
    expect(await rig.page(third)).toMatchObject({ cursor: third, hasMore: false, rows: [] });
  });

  it("show tables that were created after they had been asked for, and skip those that are gone", async () => {
    const rig = new Rig();
    rig.commit([[2001, "x", { _id: "x" }]]);
    rig.commit([[1999, "gone", { _id: "gone" }]]);
    rig.tables.push({ tablet: 2001, component: "c", name: "b" });
    const { rows } = await rig.page(0n);
    expect(rows.map(({ table, write }) => [table.component, table.name, write.idText])).toEqual([
      ["c", "b", "x"],
    ]);
  });

  it("of a table that is written seldom are bounded all the same", async () => {
    const rig = new Rig();
    const text = "x".repeat(1024 * 1024);
    for (let n = 0; n < 20; n++) rig.commit([[2000, `id${n}`, { _id: `id${n}`, text }]]);
    const nothing = StreamSelection.only(null, "other");
    const page = await rig.page(0n, nothing);
    expect([page.rows, page.hasMore]).toEqual([[], true]);
    expect(page.cursor).toBeLessThan(20n * 512n);
    const rest = await rig.page((await rig.page(page.cursor, nothing)).cursor, nothing);
    expect([rest.cursor, rest.hasMore]).toEqual([20n * 512n, false]);
  });

  it("stop before a commit that replaced a table, which is a page of its own", async () => {
    const rig = new Rig();
    const before = rig.commit([[2000, "x", { _id: "x" }]]);
    const broken = [tableBreaksTable.tablet, "b", { _id: "b", componentPath: "", table: "a" }] as const;
    const ts = rig.commit([broken, [2000, "y", { _id: "y" }]]);
    expect(await rig.page(0n)).toMatchObject({ cursor: before, hasMore: true, broken: [] });
    expect(await rig.page(before)).toMatchObject({ cursor: ts, broken: [{ component: "", name: "a" }] });
    const others = StreamSelection.only("c", null);
    expect(await rig.page(before, others)).toMatchObject({ cursor: ts, broken: [], rows: [] });
  });

  it("begin at cursors that the log has, or not at all", async () => {
    const rig = new Rig();
    for (let n = 0; n < 10; n++) rig.commit(many(2000, 1));
    await rig.page(0n);
    await rig.log.trim(1024n);
    await expect(rig.page(512n)).rejects.toMatchObject({ category: "OutOfRetention" });
    await expect(rig.page(-1n)).rejects.toMatchObject({ code: "BadCursor" });
    await expect(rig.page(100_000n)).rejects.toMatchObject({ code: "BadCursor" });
    const sync = new DataSync({ engine: rig.api, log: rig.log, random: seededRandom(1) });
    const first = JSON.parse(await sync.sync(null, StreamSelection.all)) as {
      pagination: { nextCursor: string };
    };
    await expect(sync.sync(first.pagination.nextCursor, StreamSelection.all)).rejects.toMatchObject({
      code: "DataSyncCursorExpired",
    });
  });
});

describe("a selection", () => {
  it("decides by the name that is nearest", () => {
    const selection = StreamSelection.parse(
      {
        _other: "excluded",
        "": { _other: "included", secret: "excluded", t: { _other: "included", b: "excluded" } },
      },
      "Code",
    );
    expect(selection.columnsOf("c", "t")).toBeNull();
    expect(selection.columnsOf("", "secret")).toBeNull();
    expect(selection.columnsOf("", "other")).toBe("all");
    const columns = selection.columnsOf("", "t");
    if (typeof columns !== "function") throw new Error("some columns of t are excluded");
    expect(["a", "b", "_id"].filter(columns)).toEqual(["a", "_id"]);
  });

  it.each([null, [], "included", {}, { _other: 1 }, { _other: "included", a: { b: "included" } }])(
    "is not %j",
    (json) => {
      expect(() => StreamSelection.parse(json, "Code")).toThrow(/The selection must be of the form/);
    },
  );
});
