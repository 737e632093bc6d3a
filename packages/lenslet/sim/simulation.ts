import { createHash, type Hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { analyze } from "../src/deploy/analyze.ts";
import type { Analysis } from "../src/deploy/analysisTypes.ts";
import { pushBody } from "../src/deploy/testing/testBundle.ts";
import { decodeCommitRecord } from "../src/engine/commitRecord.ts";
import type { MutationResult } from "../src/engine/api.ts";
import { type AnalysisRequestJson, fromJson } from "../src/engine/systemOperations.ts";
import { TestEngine, type StartedPush } from "../src/engine/testEngine.ts";
import type { CommitTs, LogRecord } from "../src/log/log.ts";
import { MemoryLog } from "../src/log/memory.ts";
import { seededRandom } from "../src/log/testSupport.ts";
import { Runner } from "../src/runner/runner.ts";
import { cronJobsTable, jobQueueTable, type SystemTableDefinition } from "../src/store/systemTables.ts";
import { bundleVariant, type Variant } from "./app.ts";
import { Chance } from "./chance.ts";
import { checkAgainstModel, checkIndexes, checkReplay } from "./checkers.ts";
import { SimClient } from "./clients.ts";
import { History } from "./history.ts";
import { Bugs, type PlantedBug } from "./plantedBugs.ts";
import { SimProcess } from "./process.ts";
import { SimClock } from "./simClock.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Steps before the faults end and everything comes to rest. */
  readonly steps?: number;
  readonly bug?: PlantedBug;
}

export interface SimulationReport {
  readonly seed: number;
  /** Of everything that happened, in order: equal seeds, equal hashes. */
  readonly hash: string;
  readonly violations: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

const stepsDefault = 500;
/** More than any simulation needs to come to rest. */
const restStepsMax = 20_000;

/** What every simulation begins with: variant A of the app is pushed. */
interface Beginning {
  readonly log: readonly LogRecord[];
  readonly pushes: Readonly<Record<Variant, { readonly body: unknown; readonly analysis: Analysis }>>;
}
/** The runner keeps what it has compiled for each push there was: after so many simulations it is replaced. */
const runnerUsesMax = 20;

/** Simulations share a runner, because compiling the app takes longer than the rest; it goes by their clock. */
class SharedRunner {
  #clock = new SimClock();
  #runner = this.#newRunner();
  #uses = 0;

  use(clock: SimClock): Runner {
    this.#clock = clock;
    this.#uses += 1;
    if (this.#uses % runnerUsesMax === 0) this.#runner = this.#newRunner();
    return this.#runner;
  }

  #newRunner(): Runner {
    const clock = { nowMs: () => this.#clock.nowMs(), monotonicMs: () => this.#clock.monotonicMs() };
    return new Runner({ clock });
  }
}
const sharedRunner = new SharedRunner();
let beginning: Promise<Beginning> | null = null;

async function prepare(): Promise<Beginning> {
  const server = await TestEngine.start(null);
  const pushes: Partial<Record<Variant, { body: unknown; analysis: Analysis }>> = {};
  for (const variant of ["A", "B"] as const) {
    const body = pushBody(await bundleVariant(variant));
    const input = (await server.system("push.prepare", body)) as AnalysisRequestJson;
    const result = await analyze(fromJson(input), { clock: server.clock, onModule: () => {} });
    if (!result.ok) throw new Error(result.message);
    pushes[variant] = { body, analysis: result.analysis };
    if (variant === "B") continue;
    const startPush = await server.system("push.start", { body, input, analysis: result.analysis });
    await server.finishPush(startPush as StartedPush);
  }
  const log: LogRecord[] = [];
  for await (const records of server.log.readAfter(0n)) log.push(...records);
  server.dispose();
  return { log, pushes: pushes as Beginning["pushes"] };
}

/** Runs one simulation. The same options give the same report. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  beginning ??= prepare();
  const bugs = new Bugs(options.bug ?? null);
  const unplant = bugs.plant();
  const simulation = new Simulation(options, await beginning, bugs);
  try {
    return await simulation.run();
  } finally {
    unplant();
    simulation.dispose();
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #beginning: Beginning;
  readonly #bugs: Bugs;
  readonly #chance: Chance;
  readonly #runner: Runner;
  readonly #clock = new SimClock();
  readonly #history = new History();
  readonly #folder = mkdtempSync(path.join(tmpdir(), "lenslet-sim-"));
  readonly #hash: Hash = createHash("sha256");
  readonly #clients: SimClient[];
  #log: MemoryLog;
  #process!: SimProcess;
  #boots = 0;
  #epoch = 0;
  #variant: Variant = "A";
  #pushing = false;
  /** Commits that answer calls of the running process: ts → call number. */
  readonly #callOfTs = new Map<CommitTs, number>();
  /** What the running engine has said. */
  #postedTs: CommitTs = 0n;
  readonly #answeredSeqs = new Set<number>();

  constructor(options: SimulationOptions, start: Beginning, bugs: Bugs) {
    this.#options = options;
    this.#beginning = start;
    this.#bugs = bugs;
    this.#chance = new Chance(options.seed);
    this.#runner = sharedRunner.use(this.#clock);
    this.#log = new MemoryLog({ durability: "manual" }, start.log);
    this.#clients = [null, "ada", "bob", "ada"].map(
      (user, i) => new SimClient(`session-${i}`, user, this.#chance, this.#history),
    );
  }

  async run(): Promise<SimulationReport> {
    try {
      this.#boot();
      for (let i = 0; i < (this.#options.steps ?? stepsDefault) && this.#isGood; i++) await this.#step(true);
      if (this.#isGood) await this.#comeToRest();
      if (this.#isGood) await this.#check();
    } catch (error) {
      this.#history.violate(`the simulation broke: ${(error as Error).stack ?? String(error)}`);
    }
    return {
      seed: this.#options.seed,
      hash: this.#hash.digest("hex"),
      violations: this.#history.violations,
      counts: this.#history.counts,
    };
  }

  dispose(): void {
    this.#process.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #isGood(): boolean {
    return this.#history.violations.length === 0;
  }

  #trace(what: string, detail: unknown = null): void {
    this.#history.count(what);
    this.#hash.update(what);
    if (detail !== null) this.#hash.update(JSON.stringify(detail, textOfBigint));
  }

  #boot(): void {
    this.#boots += 1;
    this.#callOfTs.clear();
    this.#forgetEngine();
    this.#pushing = false;
    this.#process = new SimProcess({
      boot: `boot-${this.#boots}`,
      log: this.#log,
      storePath: path.join(this.#folder, "store.sqlite"),
      clock: this.#clock,
      random: seededRandom(this.#options.seed * 1000 + this.#boots),
      runner: this.#runner,
      chance: this.#chance,
      bugs: this.#bugs,
      history: this.#history,
      watch: {
        appended: (boot, records) => this.#appended(boot, records),
        posted: (process, batch) => this.#posted(process, batch),
        defect: (error) => this.#defect(error),
      },
    });
    for (const client of this.#clients) client.connect(this.#process);
  }

  #defect(error: unknown): void {
    if (this.#process.hasFailed) return;
    this.#history.violate(`defect: ${(error as Error).stack ?? String(error)}`);
  }

  #forgetEngine(): void {
    this.#postedTs = 0n;
    this.#answeredSeqs.clear();
  }

  #appended(boot: string, records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#trace("commit", [record.ts, record.payload]);
      this.#history.latestWallMs.set(record.ts, this.#clock.latestWallMs());
      const { call } = decodeCommitRecord(record);
      if (call?.boot === boot) this.#callOfTs.set(record.ts, call.callSeq);
    }
  }

  /** Answers come before what shows them. */
  #posted(_process: SimProcess, batch: Parameters<SimProcess["client"]["receive"]>[0]): void {
    this.#trace("batch", batch);
    for (const message of batch.messages) {
      if (message.type === "published") this.#postedTs = message.ts;
      if (message.type !== "answer" && message.type !== "recovered") continue;
      const answer =
        message.type === "recovered" ? message : (message.value as Partial<MutationResult> | null);
      const ts = answer?.ts;
      // A call that was asked again after its answer was recovered is answered twice.
      if (this.#answeredSeqs.has(message.seq)) continue;
      this.#answeredSeqs.add(message.seq);
      if (typeof ts === "bigint" && ts <= this.#postedTs && this.#callOfTs.get(ts) === message.seq) {
        this.#history.violate(`the answer of call ${message.seq} comes after the publication that shows it`);
      }
    }
  }

  async #step(withFaults: boolean): Promise<void> {
    // All promise continuations first; and what follows runs in a microtask, as in production.
    await new Promise((resolve) => setImmediate(resolve));
    const process = this.#process;
    if (process.isDead) {
      this.#lose();
      return;
    }
    const choices: [number, string, () => void | Promise<void>][] = [];
    for (const channel of process.channels()) choices.push([80, channel, () => process.run(channel)]);
    const start = process.startStep();
    if (start !== null) choices.push([40, "start", start]);
    const backlog = this.#log.lastTs() - this.#log.durableTs();
    if (backlog > 0n) choices.push([30, "disk", () => this.#sync()]);
    choices.push([20, "time", () => this.#passTime()]);
    if (!process.actions.isIdle) choices.push([20, "action", () => process.actions.step()]);
    if (process.hasFailed) choices.push([100, "end of a failed process", () => this.#crash()]);
    if (withFaults) {
      choices.push([80, "client", () => this.#chance.pick(this.#clients).act()]);
      choices.push([5, "operator", () => this.#operate()]);
      if (process.isUp) choices.push([5, "condemn", () => process.condemn(1 + this.#chance.below(40))]);
      if (process.isUp) choices.push([1, "lose", () => this.#lose()]);
      choices.push([2, "crash", () => this.#crash()]);
      choices.push([1, "disk full", () => this.#log.fail(new Error("no space left on device"))]);
    }
    const [, what, act] = this.#chance.weighted(choices.map((choice) => [choice[0], choice] as const));
    this.#trace(what);
    try {
      await act();
    } catch (error) {
      // An engine whose log has failed cannot go on; what it throws ends its thread.
      if (!process.hasFailed) throw error;
    }
  }

  #lose(): void {
    this.#trace("engine lost");
    this.#forgetEngine();
    this.#process.loseEngine();
  }

  /** Power loss: of what the disk had not confirmed, any beginning may be there. */
  #crash(): void {
    this.#process.kill();
    this.#log = this.#log.crash(this.#chance.pick([0, 0, 1, 3, 1000]));
    this.#boot();
  }

  #sync(): void {
    if (this.#chance.oneIn(3)) this.#log.sync();
    else this.#log.sync(this.#log.durableTs() + BigInt(this.#chance.below(10_000_000)));
  }

  #passTime(): void {
    this.#clock.advance(this.#chance.pick([0.1, 1, 1, 5, 60, 300, 1100, 1100]));
    if (this.#chance.oneIn(30)) this.#clock.setWall(this.#chance.pick([-2000, -1, 5000]));
    const timer = this.#clock.takeDue();
    if (timer !== null) timer();
  }

  /** Somebody changes the environment, or pushes the other variant of the code. */
  #operate(): void {
    if (this.#chance.oneIn(2)) void this.#setEpoch();
    else if (!this.#pushing) void this.#push();
  }

  #setEpoch(): Promise<unknown> {
    const changes = [{ name: "EPOCH", value: String(++this.#epoch) }];
    const args = JSON.stringify({ changes, evaluated: null });
    return this.#process.client.system("env.commit", args).catch(() => null);
  }

  /** Gives up at any failure, as the CLI does: what a push holds in memory is gone with the engine. */
  async #push(): Promise<void> {
    const process = this.#process;
    this.#pushing = true;
    this.#variant = this.#variant === "A" ? "B" : "A";
    const { body, analysis } = this.#beginning.pushes[this.#variant];
    const system = async (operation: string, args: unknown): Promise<unknown> => {
      const answer = await process.client.system(operation, JSON.stringify(args));
      if (this.#process !== process) throw new Error("the server is gone");
      return JSON.parse(answer);
    };
    try {
      const input = await system("push.prepare", body);
      const startPush = (await system("push.start", { body, input, analysis })) as StartedPush;
      const { schemaChange } = startPush;
      for (;;) {
        const { type } = (await system("push.schemaState", { schemaChange, dryRun: false })) as {
          type: string;
        };
        if (type === "complete") break;
        if (type !== "inProgress") throw new Error(type);
      }
      await system("push.finish", { startPush, dryRun: false });
      this.#trace("pushed", this.#variant);
    } catch {
      this.#trace("push failed");
    } finally {
      if (this.#process === process) this.#pushing = false;
    }
  }

  /** No more faults: all that was asked is answered, and new code gives runaway queries another try. */
  async #comeToRest(): Promise<void> {
    this.#process.pardon();
    let asked = false;
    for (let i = 0; this.#isGood; i++) {
      if (i > restStepsMax) throw new Error("the simulation does not come to rest");
      await this.#step(false);
      const isBusy = this.#process.channels().length > 0 || this.#process.startStep() !== null;
      if (isBusy || this.#log.lastTs() > this.#log.durableTs() || this.#process.isDead) continue;
      if (!asked) {
        asked = true;
        void this.#setEpoch();
      } else if (this.#clients.every((client) => client.isSettled) && this.#jobsRest()) return;
    }
  }

  /** No job waits or runs, and no cron is due. */
  #jobsRest(): boolean {
    const { store, actions } = this.#process;
    if (store === null || !actions.isIdle) return false;
    const documents = ({ tablet, byId }: SystemTableDefinition) =>
      store.scan(byId, tablet, "", null, "asc", 1_000_000);
    const nowMs = this.#clock.nowMs();
    return (
      documents(jobQueueTable).every(({ document }) => document.value["open"] === false) &&
      documents(cronJobsTable).every(
        ({ document: { value } }) => value["state"] === "waiting" && (value["nextMs"] as number) > nowMs,
      )
    );
  }

  async #check(): Promise<void> {
    for (const client of this.#clients) {
      for (const watch of client.watches) await this.#compare(client, watch);
    }
    const { store, committer } = this.#process;
    if (store === null || committer === null) throw new Error("an engine runs at the end");
    const log: LogRecord[] = [];
    for await (const records of this.#log.readAfter(0n)) log.push(...records);
    checkAgainstModel(log, this.#history);
    checkIndexes(store, committer.catalog, this.#history);
    await checkReplay(store, committer.catalog, log, this.#history);
  }

  /** What is shown at the end is what a run without any cache gives. */
  async #compare(client: SimClient, watch: SimClient["watches"][number]): Promise<void> {
    const asked = { isPending: true };
    const answer = client.ask(watch).finally(() => {
      asked.isPending = false;
    });
    while (asked.isPending) await this.#step(false);
    const fresh = await answer;
    const [shown, expected] = [watch.state?.result, fresh].map((result) =>
      JSON.stringify([result?.ok, result?.ok === true ? result.valueJson : result?.error]),
    );
    if (shown !== expected) {
      this.#history.violate(
        `${JSON.stringify(watch.query)} shows ${shown} at the end instead of ${expected}`,
      );
    }
  }
}

function textOfBigint(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
