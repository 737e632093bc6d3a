import { fileURLToPath } from "node:url";
import { pushApp, TestProject } from "../support/project.ts";
import type { TestServer } from "../support/server.ts";

export type Row = { readonly _id: string; readonly [field: string]: unknown };
interface SnapshotPage {
  readonly values: readonly (Row & { _table: string; _component: string; _ts: number })[];
  readonly snapshot: number;
  readonly cursor: string | null;
  readonly hasMore: boolean;
}
interface DeltaPage {
  readonly values: readonly (Row & { _table: string; _component: string; _ts: number; _deleted: boolean })[];
  readonly cursor: number;
  readonly hasMore: boolean;
}

/** The app of these tests, connected with the server and pushed. */
export async function deployStreamingApp(server: TestServer): Promise<TestProject> {
  const project = TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).connect(server);
  await pushApp(server, project.folder);
  return project;
}

export interface Answer {
  readonly status: number;
  readonly json: { readonly code?: string; readonly message?: string; readonly [field: string]: unknown };
}

/** An admin's request. */
export async function ask(
  server: TestServer,
  route: string,
  body?: object,
  method?: string,
): Promise<Answer> {
  const response = await fetch(`${server.url}/api/${route}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { authorization: `Convex ${server.adminKey}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: (text === "" ? {} : JSON.parse(text)) as Answer["json"] };
}

/** A destination that follows a deployment by list_snapshot and document_deltas, as an ETL tool does. */
export class Consumer {
  readonly #server: TestServer;
  readonly #filter: object;
  /** By component, table and id. */
  readonly rows = new Map<string, Row>();
  #snapshot: number | null = null;
  #cursor: string | null = null;
  #deltas: number | null = null;
  pages = 0;

  constructor(server: TestServer, filter: object = {}) {
    this.#server = server;
    this.#filter = filter;
  }

  get isListing(): boolean {
    return this.#deltas === null;
  }

  /** One page; false when there is nothing more by now. Whatever fails can be tried again. */
  async step(): Promise<boolean> {
    const more = this.#deltas === null ? await this.#list() : await this.#follow(this.#deltas);
    this.pages += 1;
    return more;
  }

  /** Up to what there is when it is called, or more. */
  async catchUp(): Promise<void> {
    while (await this.step());
  }

  async #list(): Promise<boolean> {
    const body = { ...this.#filter, snapshot: this.#snapshot, cursor: this.#cursor };
    const page = (await this.#ask("list_snapshot", body)) as unknown as SnapshotPage;
    for (const row of page.values) this.#put(row);
    this.#snapshot = page.snapshot;
    this.#cursor = page.cursor;
    if (!page.hasMore) this.#deltas = page.snapshot;
    return true;
  }

  async #follow(cursor: number): Promise<boolean> {
    const page = (await this.#ask("document_deltas", { ...this.#filter, cursor })) as unknown as DeltaPage;
    for (const row of page.values) {
      if (row._deleted) this.rows.delete(`${row._component}/${row._table}/${row._id}`);
      else this.#put(row);
    }
    this.#deltas = page.cursor;
    return page.hasMore;
  }

  #put(row: Row & { _table: string; _component: string }): void {
    const { _table, _component, _ts, _deleted, ...document } = row;
    this.rows.set(`${_component}/${_table}/${row._id}`, document);
  }

  async #ask(route: string, body: object): Promise<Answer["json"]> {
    const { status, json } = await ask(this.#server, route, body);
    if (status !== 200) throw new Error(`${route}: ${status} ${JSON.stringify(json)}`);
    return json;
  }
}

/** Every table there is, and the query that reads it. */
const tables = [
  { component: "", table: "items", path: "data:all" },
  { component: "", table: "notes", path: "data:all" },
  { component: "shelf", table: "books", path: "rows:all" },
  { component: "shelf/drawer", table: "pens", path: "rows:all" },
  { component: "second", table: "books", path: "rows:all" },
  { component: "second/drawer", table: "pens", path: "rows:all" },
];

/** Runs a function as admin. */
export async function runFunction(
  server: TestServer,
  path: string,
  args: object,
  componentPath = "",
): Promise<unknown> {
  const { json } = await ask(server, "function", { path, args, componentPath, format: "json" });
  if (json["status"] !== "success") throw new Error(JSON.stringify(json));
  return json["value"];
}

/** Every document there is, by component, table and id. */
export async function allRows(server: TestServer): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  for (const { component, table, path } of tables) {
    for (const row of (await runFunction(server, path, { table }, component)) as Row[]) {
      rows.set(`${component}/${table}/${row._id}`, row);
    }
  }
  return rows;
}
