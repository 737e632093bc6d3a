import { ConvexHttpClient } from "convex/browser";
import { anyApi, type FunctionReference } from "convex/server";
import type { TestServer } from "../support/server.ts";

export type Document = { readonly _id: string; readonly [field: string]: unknown };
export interface Page<T = Document> {
  readonly page: readonly T[];
  readonly isDone: boolean;
  readonly continueCursor: string;
}
type Args = Record<string, unknown>;

/** A function of `_system/frontend/`, as the dashboard names it: "tableSize:default". */
export function systemFunction<Kind extends "query" | "mutation">(
  name: string,
): FunctionReference<Kind, "public", Args, unknown> {
  const [module, fn] = name.split(":") as [string, string];
  return anyApi["_system"]!["frontend"]![module]![fn] as unknown as FunctionReference<
    Kind,
    "public",
    Args,
    unknown
  >;
}

/** What the dashboard has of a deployment: its URL and an admin key. */
export class DashboardClient {
  readonly #http: ConvexHttpClient;
  readonly #server: TestServer;

  constructor(server: TestServer) {
    this.#server = server;
    this.#http = new ConvexHttpClient(server.url, { logger: false });
    (this.#http as unknown as { setAdminAuth(key: string): void }).setAdminAuth(server.adminKey);
  }

  async query<T>(name: string, args: Args = {}): Promise<T> {
    return (await this.#http.query(systemFunction<"query">(name), args)) as T;
  }

  async mutation<T>(name: string, args: Args = {}): Promise<T> {
    return (await this.#http.mutation(systemFunction<"mutation">(name), args)) as T;
  }

  /** Documents of a table, all pages, with filters as the page of data writes them. */
  async documents(table: string, filters: object | null = null, componentId?: string): Promise<Document[]> {
    const found: Document[] = [];
    for (let cursor: string | null = null; ;) {
      const page: Page = await this.query("paginatedTableDocuments:default", {
        table,
        filters: filters === null ? null : Buffer.from(JSON.stringify(filters)).toString("base64"),
        paginationOpts: { numItems: 3, cursor, id: 1 },
        ...(componentId === undefined ? {} : { componentId }),
      });
      found.push(...page.page);
      if (page.isDone) return found;
      cursor = page.continueCursor;
    }
  }

  async request(method: "GET" | "POST", path: string, body?: object): Promise<Response> {
    return await fetch(`${this.#server.url}${path}`, {
      method,
      headers: {
        authorization: `Convex ${this.#server.adminKey}`,
        "convex-client": "dashboard-0.0.0",
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async get<T>(path: string): Promise<T> {
    const response = await this.request("GET", path);
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** The dashboard takes every other status for a failure (dashboard.md §1.4). */
  async post(path: string, body: object = {}): Promise<void> {
    const response = await this.request("POST", path, body);
    if (response.status !== 200) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
  }

  /** Newest first. */
  async history(filters: object = {}): Promise<{ action: string; metadata: Record<string, unknown> }[]> {
    const { page } = await this.query<Page>("paginatedDeploymentEvents:default", {
      paginationOpts: { numItems: 1000, cursor: null, id: 1 },
      filters: { minDate: 0, ...filters },
    });
    return page as unknown as { action: string; metadata: Record<string, unknown> }[];
  }
}
