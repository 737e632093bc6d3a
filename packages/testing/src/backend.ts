import { unreachable } from "../../lenslet/src/base/assert.ts";
import type { SchemaJson } from "../../lenslet/src/deploy/schemaTypes.ts";
import { AuditLog } from "../../lenslet/src/engine/auditLog.ts";
import type { Namespace } from "../../lenslet/src/store/store.ts";
import type { JsonObject } from "../../lenslet/src/transaction/syscallArguments.ts";
import type { ReadSet } from "../../lenslet/src/transaction/readSet.ts";
import type { Transaction } from "../../lenslet/src/transaction/transaction.ts";
import { resolveVectorSearch } from "../../lenslet/src/transaction/vectorSource.ts";
import { encodeId } from "../../lenslet/src/values/id.ts";
import type { TransactionLimits } from "../../lenslet/src/transaction/usage.ts";
import {
  parseValue,
  resolveCommitTs,
  stringifyValue,
  type JsonValue,
} from "../../lenslet/src/values/json.ts";
import type { IdContext } from "../../lenslet/src/values/validator.ts";
import { runActionFunction } from "./actionFunction.ts";
import type { FunctionRun, Outcome } from "./call.ts";
import type { Crons } from "./crons.ts";
import { Database } from "./database.ts";
import { type Component, Deployment, schemaJsonOf } from "./deployment.ts";
import { Faults } from "./faults.ts";
import { Files } from "./files.ts";
import { loadOnDemand } from "./load.ts";
import { ModuleMap } from "./modules.ts";
import type { ModuleGlob } from "./types.ts";
import { Scheduler } from "./scheduler.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { runTransactionFunction, type TransactionScope } from "./transactionFunction.ts";

/** Everything behind one `convexTest()`: its own database, components, scheduler and files. */
export class Backend {
  readonly database: Database;
  readonly deployment = new Deployment();
  readonly scheduler: Scheduler;
  readonly files: Files;
  readonly faults = new Faults();
  /** Null until a test wants some: only then their code is loaded. */
  #subscriptions: Subscriptions | null = null;
  #crons: Crons | null = null;
  /** What functions have written with `log.audit`. */
  readonly auditLines: JsonValue[] = [];
  readonly #schemas = new Map<Component, object>();
  /** Components whose tables do not exist yet. */
  #unprepared: Component[] = [];

  constructor(limits: Partial<TransactionLimits>) {
    this.database = new Database(limits);
    this.scheduler = new Scheduler(this);
    this.files = new Files();
  }

  get crons(): Crons | null {
    return this.#crons;
  }

  async loadCrons(): Promise<Crons> {
    const { Crons } = await loadOnDemand();
    return (this.#crons ??= new Crons(this));
  }

  async loadSubscriptions(): Promise<Subscriptions> {
    const { Subscriptions } = await loadOnDemand();
    return (this.#subscriptions ??= new Subscriptions(this));
  }

  addComponent(path: string, schema: object | null, glob: ModuleGlob): void {
    const modules = new ModuleMap(glob, path);
    const namespace = path as Namespace;
    const component: Component = { path, namespace, modules, httpPrefix: null, environment: null };
    this.deployment.add(component);
    if (schema !== null) this.#schemas.set(component, schema);
    this.#unprepared.push(component);
  }

  /** Runs a function of any kind to its end; a mutation that succeeds is committed. */
  async run(run: FunctionRun): Promise<Outcome> {
    const refused = this.faults.take(run, "start");
    if (refused !== null) return { ok: false, thrown: refused, hasReturned: false };
    const outcome = await this.#run(run);
    const lost = this.faults.take(run, "answer");
    return lost === null ? outcome : { ok: false, thrown: lost, hasReturned: true };
  }

  async #run(run: FunctionRun): Promise<Outcome> {
    const { udfType } = run.fn.info;
    switch (udfType) {
      case "Query":
        return (await this.query(run)).outcome;
      case "Mutation":
        return this.mutate((tx) => this.#runIn(tx, run));
      case "Action":
        await this.#prepare();
        return runActionFunction(this, run);
      case "HttpAction":
        throw new Error("HTTP actions are called with t.fetch(path, init)");
      default:
        return unreachable(udfType);
    }
  }

  /** Runs a mutation's function within a transaction that somebody else begins and ends. */
  runIn(tx: Transaction, run: FunctionRun): Promise<Outcome> {
    const refused = this.faults.take(run, "start");
    if (refused !== null) return Promise.resolve({ ok: false, thrown: refused, hasReturned: false });
    return this.#runIn(tx, run);
  }

  /** A transaction that is committed if it succeeds, in its turn among all mutations. */
  mutate(body: (tx: Transaction) => Promise<Outcome>): Promise<Outcome> {
    return this.database.write(async () => {
      this.#prepareNow();
      const tx = this.database.begin();
      const outcome = await body(tx);
      if (!outcome.ok) return outcome;
      const ts = this.database.nextTs(tx);
      this.database.commit(tx, ts);
      if (!outcome.valueJson.includes('"$commitTs"')) return outcome;
      const value = parseValue(JSON.parse(outcome.valueJson) as JsonValue, { commitTs: true });
      return { ok: true, valueJson: stringifyValue(resolveCommitTs(value, ts)) };
    });
  }

  /** The same for what the platform itself does; throws what `body` throws. */
  transact<T>(body: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.database.write(async () => {
      this.#prepareNow();
      const tx = this.database.begin();
      const result = await body(tx);
      this.database.commit(tx);
      return result;
    });
  }

  /** Runs a check that needs to know which ids belong to which table. */
  checked<T>(component: Component, check: (ids: IdContext) => T): T {
    const tx = this.database.beginRead();
    try {
      return check(tx.idContext(component.namespace));
    } finally {
      this.database.release(tx);
    }
  }

  async vectorSearch(args: JsonObject, component: Component): Promise<string> {
    await this.#prepare();
    await loadOnDemand();
    const tx = this.database.beginRead();
    try {
      const { table, query } = resolveVectorSearch(tx, component.namespace, args);
      const hits = this.database.vectorSearch(query);
      const results = hits.map(({ id, score }) => ({ _id: encodeId(table.number, id), _score: score }));
      return JSON.stringify({ results });
    } finally {
      this.database.release(tx);
    }
  }

  /** Runs a query at the newest snapshot; says what it has read. */
  async query(run: FunctionRun): Promise<{ readonly outcome: Outcome; readonly reads: ReadSet }> {
    await this.#prepare();
    const tx = this.database.beginRead();
    try {
      const outcome = await this.#runAudited({ tx, kind: "query", inMutation: false }, run);
      return { outcome, reads: tx.reads };
    } finally {
      this.database.release(tx);
    }
  }

  #runIn(tx: Transaction, run: FunctionRun): Promise<Outcome> {
    return this.#runAudited({ tx, kind: "mutation", inMutation: true }, run);
  }

  /** What a function writes to the audit log counts when it succeeds. */
  async #runAudited(
    scope: Pick<TransactionScope, "tx" | "kind" | "inMutation">,
    run: FunctionRun,
  ): Promise<Outcome> {
    const audit = new AuditLog();
    const outcome = await runTransactionFunction({ ...scope, backend: this, depth: 0, audit }, run);
    if (outcome.ok) this.auditLines.push(...audit.lines);
    return outcome;
  }

  async #prepare(): Promise<void> {
    if (this.#unprepared.length > 0) await this.database.write(async () => this.#prepareNow());
  }

  /** Creates tables and indexes of new components. */
  #prepareNow(): void {
    const components = this.#unprepared;
    this.#unprepared = [];
    for (const component of components) {
      this.database.addNamespace(component.namespace, this.#schemaOf(component));
    }
  }

  #schemaOf(component: Component): SchemaJson | null {
    const schema = this.#schemas.get(component);
    return schema === undefined ? null : schemaJsonOf(schema);
  }
}
