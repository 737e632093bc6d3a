import { type CommitRecord, decodeCommitRecord } from "../src/engine/commitRecord.ts";
import type { FunctionResult } from "../src/engine/api.ts";
import type { CommitTs, LogRecord } from "../src/log/log.ts";
import { MemoryLog } from "../src/log/memory.ts";
import { Committer } from "../src/engine/committer.ts";
import type { Table } from "../src/store/catalog.ts";
import { CatalogState } from "../src/store/catalogState.ts";
import { openSqliteStore } from "../src/store/sqliteStore.ts";
import type { Store } from "../src/store/store.ts";
import { decodeValue, stringifyValue } from "../src/values/json.ts";
import { indexKeyOf } from "../src/values/key.ts";
import type { Value } from "../src/values/value.ts";
import type { History, Observation } from "./history.ts";
import { JobModel } from "./jobModel.ts";
import { Model, type Outcome } from "./model.ts";
import { lossMessage } from "./process.ts";
import { SimClock } from "./simClock.ts";

/** Compares the log, and what clients saw, with a serial run of the same mutations on the model. */
export function checkAgainstModel(log: readonly LogRecord[], history: History): void {
  const jobs = new JobModel(history);
  const model = new Model(jobs);
  const observations = history.observations.toSorted((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
  const applied = new Map<number, CommitRecord>();
  let next = 0;
  const lookUntil = (ts: CommitTs | null) => {
    for (; next < observations.length; next++) {
      const observation = observations[next] as Observation;
      if (ts !== null && observation.ts >= ts) return;
      checkObservation(model, observation, history);
    }
  };
  for (const record of log.map(decodeCommitRecord)) {
    lookUntil(record.ts);
    const answer = record.call ?? record.request;
    const value = answer === null ? null : decodeValue(answer.resultJson);
    const op = (value as { readonly op?: unknown } | null)?.op;
    if (typeof op !== "number") {
      model.configure(record);
      jobs.apply(record);
      continue;
    }
    if (applied.has(op)) history.violate(`mutation ${op} was applied twice`);
    applied.set(op, record);
    const operation = history.operations[op];
    if (operation === undefined) throw new Error(`the log has a mutation ${op} that nobody asked for`);
    const expected = stringifyValue(model.commit(op, operation.mutation, record.ts));
    const actual = stringifyValue(value as Value);
    if (actual !== expected) history.violate(`mutation ${op} answered ${actual} instead of ${expected}`);
    jobs.apply(record);
  }
  lookUntil(null);
  jobs.end();
  checkOutcomes(applied, history);
}

function checkObservation(
  model: Model,
  { query, user, result, how, ts }: Observation,
  history: History,
): void {
  if (!result.ok && result.error.message === lossMessage) return;
  const expected = textOf(model.answer(query, user));
  const actual = textOfResult(result);
  if (actual === expected) return;
  history.violate(`${how} ${JSON.stringify(query)} at ${ts}: ${actual} instead of ${expected}`);
}

function textOf(outcome: Outcome): string {
  return "value" in outcome ? stringifyValue(outcome.value) : `error ${stringifyValue(outcome.error)}`;
}
function textOfResult(result: FunctionResult): string {
  return result.ok ? result.valueJson : `error ${result.error.dataJson ?? result.error.message}`;
}

function checkOutcomes(applied: ReadonlyMap<number, CommitRecord>, history: History): void {
  for (const { op, mutation, outcome } of history.operations) {
    const record = applied.get(op);
    if (outcome === "failed") {
      if (record !== undefined) history.violate(`mutation ${op} (${mutation.name}) failed and is in the log`);
    } else if (outcome !== "unknown") {
      if (record === undefined) history.violate(`acknowledged mutation ${op} (${mutation.name}) is lost`);
      else if (record.ts !== outcome.ts)
        history.violate(`mutation ${op} was acknowledged for another commit`);
    }
  }
}

/** Every index holds exactly the keys that a look at every document gives, and every count is right. */
export function checkIndexes(store: Store, catalog: CatalogState, history: History): void {
  for (const table of catalog.tables("")) {
    const documents = store.scan(table.byId.id, table.tablet, "", null, "asc", 1_000_000);
    if (store.count(table.tablet) !== documents.length)
      history.violate(`the count of ${table.name} is wrong`);
    for (const index of table.indexes) {
      if (index === table.byId || index.state === "backfilling") continue;
      const keys = store.scan(index.id, table.tablet, "", null, "asc", 1_000_000).map(({ key }) => key);
      const expected = documents
        .map(({ document }) => indexKeyOf(document.value, index.fields, document.id))
        .toSorted((a, b) => (a < b ? -1 : 1));
      const same = keys.length === expected.length && keys.every((key, i) => key === expected[i]);
      if (!same) history.violate(`the index ${table.name}.${index.name} differs from a rescan`);
    }
  }
}

/** All documents of all tables. */
function contentOf(store: Store, tables: readonly Table[]): Map<string, string> {
  const content = new Map<string, string>();
  for (const table of tables) {
    for (const { document } of store.scan(table.byId.id, table.tablet, "", null, "asc", 1_000_000)) {
      content.set(`${table.name} ${document.idText}`, document.json);
    }
  }
  return content;
}

/** A store made from the log alone has the same content. */
export async function checkReplay(
  store: Store,
  catalog: CatalogState,
  log: readonly LogRecord[],
  history: History,
): Promise<void> {
  const replayed = openSqliteStore(":memory:");
  const committer = await Committer.open(
    { store: replayed, log: new MemoryLog({}, log), clock: new SimClock(), boot: "replay" },
    CatalogState.load(replayed),
  );
  const expected = contentOf(replayed, committer.catalog.tables(""));
  const actual = contentOf(store, catalog.tables(""));
  const differing = [...expected].filter(([id, json]) => actual.get(id) !== json);
  if (differing.length > 0 || actual.size !== expected.size) {
    history.violate(
      `the store differs from the log's replay in ${differing[0]?.[0] ?? "documents it should not have"}`,
    );
  }
  checkIndexes(replayed, committer.catalog, history);
  replayed.close();
}
