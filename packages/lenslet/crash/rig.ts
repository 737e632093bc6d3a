import net from "node:net";
import { fileURLToPath } from "node:url";
import { TestProject } from "../../../conformance/support/project.ts";
import { TestServer, type TestServerOptions } from "../../../conformance/support/server.ts";
import type { Account, Entry, History, Operation, SeenAccount } from "./history.ts";
import { SyncClient } from "./syncClient.ts";

export const accountNames = ["a", "b", "c"] as const;

/** A real server with the ledger pushed to it, and its accounts open. */
export async function startLedger(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await TestServer.start(options);
  try {
    await push(server, ledgerProject());
    const opened = await callHttp(server.url, "mutation", "ledger:openAccounts", { names: accountNames });
    if (opened.status !== "success")
      throw new Error(`the accounts were not opened: ${JSON.stringify(opened)}`);
    return server;
  } catch (error) {
    await server.dispose();
    throw error;
  }
}

export function ledgerProject(): TestProject {
  return TestProject.create(fileURLToPath(new URL("./app", import.meta.url)));
}

export async function push(server: TestServer, project: TestProject): Promise<void> {
  const pushed = await project
    .connect(server)
    .convex(["dev", "--once", "--typecheck", "disable", "--codegen", "disable"]);
  if (pushed.code !== 0) throw new Error(`the push failed: ${pushed.output}`);
}

export type HttpAnswer =
  | { readonly status: "success"; readonly value: unknown }
  | { readonly status: "error"; readonly errorMessage: string };

/** One function call over HTTP. Rejects when the connection breaks before the answer. */
export async function callHttp(
  url: string,
  kind: "query" | "mutation",
  path: string,
  args: unknown,
): Promise<HttpAnswer> {
  const response = await fetch(`${url}/api/${kind}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ path, args, format: "convex_encoded_json" }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${text}`);
  return JSON.parse(text) as HttpAnswer;
}

export async function queryHttp<T>(url: string, path: string, args: unknown = {}): Promise<T> {
  const answer = await callHttp(url, "query", path, args);
  if (answer.status !== "success") throw new Error(`${path}: ${answer.errorMessage}`);
  return answer.value as T;
}

const entryIndexes = ["by_creation_time", "by_id", "by_key", "by_account"] as const;

/** The database as a client can read it, through every index. */
export async function readLedger(
  url: string,
  indexes: readonly (typeof entryIndexes)[number][] = entryIndexes,
): Promise<{ entries: Entry[]; accounts: Account[]; violations: string[] }> {
  const accounts = await queryHttp<Account[]>(url, "ledger:accounts");
  const violations: string[] = [];
  const byIndex = await Promise.all(indexes.map((index) => readIndex(url, index)));
  const [entries = [], ...others] = byIndex;
  const reference = sortedKeys(entries);
  for (const [i, other] of others.entries())
    if (sortedKeys(other) !== reference)
      violations.push(`${indexes[i + 1]} and ${indexes[0]} hold different documents`);
  return { entries, accounts, violations };
}

function sortedKeys(entries: readonly Entry[]): string {
  return entries
    .map(({ key, account, amount, position }) => `${key} ${account} ${amount} ${position}`)
    .toSorted()
    .join("\n");
}

async function readIndex(url: string, index: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let cursor: string | null = null; ;) {
    const paginationOpts = { numItems: 2000, cursor };
    const page: { page: Entry[]; isDone: boolean; continueCursor: string } = await queryHttp(
      url,
      "ledger:page",
      { index, paginationOpts },
    );
    entries.push(...page.page);
    if (page.isDone) return entries;
    cursor = page.continueCursor;
  }
}

/** A session that watches all accounts and their totals, and notes everything it sees. */
export function watchingClient(url: string, history: History): SyncClient {
  const watched = accountNames.map((name) => ({ path: "ledger:account", args: { name } }));
  return new SyncClient({
    url,
    queries: [...watched, { path: "ledger:totals", args: {} }],
    onTransition: (results) => {
      const accounts = accountNames.map((_, queryId) => results.get(queryId) as SeenAccount);
      history.saw(accounts, results.get(accountNames.length) as { count: number; balance: number });
    },
  });
}

let operationCount = 0;

export function newOperation(history: History, via: Operation["via"]): Operation {
  const number = operationCount++;
  const account = accountNames[number % accountNames.length] as string;
  const amount = 1 + (number % 7);
  const operation: Operation = { key: `op${number}`, account, amount, via, outcome: { type: "pending" } };
  history.operations.push(operation);
  return operation;
}

type AddResult = { readonly position: number; readonly balance: number };

/** One mutation of a session; resolves when it has been answered, on whichever socket. */
export async function addBySession(client: SyncClient, history: History): Promise<void> {
  const operation = newOperation(history, "session");
  const { key, account, amount } = operation;
  const { ok, value, ts } = await client.mutate("ledger:add", { key, account, amount });
  operation.outcome = ok
    ? { type: "acknowledged", ...(value as AddResult), ts }
    : { type: "failed", message: String(value) };
}

/** One HTTP request, never repeated. */
export async function addByHttp(url: string, history: History): Promise<void> {
  const operation = newOperation(history, "http");
  const { key, account, amount } = operation;
  try {
    const answer = await callHttp(url, "mutation", "ledger:add", { key, account, amount });
    operation.outcome =
      answer.status === "success"
        ? { type: "acknowledged", ...(answer.value as AddResult), ts: null }
        : { type: "failed", message: answer.errorMessage };
  } catch {
    operation.outcome = { type: "unknown" };
  }
}

/** A connection that has said this much, and is kept open until whoever made it lets it go. */
export function holdOpen(port: number, ...pieces: readonly string[]): net.Socket {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  for (const piece of pieces) socket.write(piece);
  return socket;
}
