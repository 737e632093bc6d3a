import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { allRows, ask, deployStreamingApp, type Row, runFunction } from "./consumer.ts";

interface SyncPage {
  readonly status: { readonly type: "snapshotting" | "stale" | "upToDate"; readonly snapshotTs?: number };
  readonly truncates: readonly { readonly component: string; readonly table: string }[];
  readonly values: readonly {
    readonly component: string;
    readonly table: string;
    readonly ts: number;
    readonly deleted: boolean;
    readonly value: Row;
  }[];
  readonly syncId: string;
  readonly pagination: { readonly hasMore: true; readonly nextCursor: string };
}

/** A destination that does what each page says. */
class Destination {
  readonly rows = new Map<string, Row>();
  readonly statuses: string[] = [];
  cursor: string | null = null;
  readonly #selection: object | undefined;

  constructor(selection?: object) {
    this.#selection = selection;
  }

  async step(): Promise<SyncPage> {
    const answer = await ask(server, "v1/data/sync", { cursor: this.cursor, selection: this.#selection });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
    const page = answer.json as unknown as SyncPage;
    for (const { component, table } of page.truncates) {
      for (const key of this.rows.keys()) if (key.startsWith(`${component}/${table}/`)) this.rows.delete(key);
    }
    for (const { component, table, deleted, value } of page.values) {
      const key = `${component}/${table}/${value._id}`;
      if (deleted) this.rows.delete(key);
      else this.rows.set(key, value);
    }
    this.statuses.push(page.status.type);
    this.cursor = page.pagination.nextCursor;
    return page;
  }

  async catchUp(): Promise<void> {
    while ((await this.step()).status.type !== "upToDate");
  }
}

let server: TestServer;
let project: TestProject;
beforeAll(async () => {
  server = await TestServer.start();
  project = await deployStreamingApp(server);
}, 180_000);
afterAll(() => server?.dispose());

const run = (path: string, args: object) => runFunction(server, path, args);
const set = (place: string, key: number, text: string | null) =>
  run("data:set", { changes: [{ place, key, text }] });
/** As JavaScript reads "export_json": Int64 as numbers, bytes as objects. */
async function expected(prefix = ""): Promise<string[]> {
  const rows = [...(await allRows(server))].filter(([key]) => key.startsWith(prefix));
  return rows.map(([key, { text }]) => `${key} ${String(text)}`).toSorted();
}
const shown = ({ rows }: Destination) =>
  [...rows].map(([key, { text }]) => `${key} ${String(text)}`).toSorted();

it(
  "brings a destination to the state of the deployment, and keeps it there",
  { timeout: 120_000 },
  async () => {
    for (let from = 0; from < 3000; from += 1000) await run("data:fill", { from, count: 1000 });
    await set("shelf", 1, "one");
    await set("notes", 1, "one");
    const destination = new Destination();
    const first = await destination.step();
    expect(first.status).toEqual({ type: "snapshotting" });
    expect(first.truncates).toContainEqual({ component: "shelf/drawer", table: "pens" });
    await set("items", 5, "changed meanwhile");
    await set("items", 6, null);
    await server.kill9();
    await server.start();
    await destination.catchUp();
    expect(new Set(destination.statuses)).toEqual(new Set(["snapshotting", "upToDate"]));
    expect(shown(destination)).toEqual(await expected());
    await set("notes", 1, null);
    await set("second", 3, "three");
    await destination.catchUp();
    expect(shown(destination)).toEqual(await expected());
    // Nothing has happened since: nothing is said again.
    const { values, truncates } = await destination.step();
    expect([values, truncates]).toEqual([[], []]);
  },
);

it("truncates what was deleted, cleared or replaced, and lists it anew", { timeout: 120_000 }, async () => {
  await set("notes", 2, "two");
  const destination = new Destination();
  await destination.catchUp();
  project.write("new.jsonl", '{"key":1,"text":"imported"}\n{"key":2,"text":"imported too"}\n');
  const imported = await project.convex(["import", "--table", "notes", "--replace", "-y", "new.jsonl"]);
  expect(imported.code).toBe(0);
  await set("notes", 3, "after the import");
  await destination.catchUp();
  expect(shown(destination)).toEqual(await expected());
  expect((await expected("/notes/")).length).toBe(3);
  await ask(server, "delete_tables", { tableNames: ["notes"], componentId: null });
  await destination.catchUp();
  expect(shown(destination)).toEqual(await expected());
});

it("shows what is selected", { timeout: 60_000 }, async () => {
  await set("second", 9, "nine");
  const tables = { pens: "excluded", _other: "included" };
  const destination = new Destination({ second: tables, _other: "excluded" });
  await destination.catchUp();
  await set("second", 10, "ten");
  await set("shelf", 10, "ten");
  await destination.catchUp();
  expect(shown(destination)).toEqual(await expected("second/books/"));
});

it("says what is wrong", async () => {
  const refused = async (body: object) => {
    const { status, json } = await ask(server, "v1/data/sync", body);
    return [status, json.code];
  };
  expect(await refused({ cursor: "nonsense" })).toEqual([400, "InvalidDataSyncCursor"]);
  expect(await refused({ selection: "everything" })).toEqual([400, "InvalidDataSyncSelection"]);
  expect(await refused({ selection: { "": "excluded" } })).toEqual([400, "InvalidDataSyncSelection"]);
  expect(await refused({ cursor: 5 })).toEqual([400, "BadJsonBody"]);
  const destination = new Destination();
  await destination.step();
  const other = { cursor: destination.cursor, selection: { _other: "excluded" } };
  expect(await refused(other)).toEqual([400, "InvalidDataSyncCursor"]);
  const response = await fetch(`${server.url}/api/v1/data/sync`, { method: "POST" });
  expect(response.status).toBe(403);
});
