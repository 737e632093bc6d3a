import type { LiveQueryId } from "../src/engine/api.ts";
import type { Engine } from "../src/engine/engine.ts";
import { EngineClient } from "../src/engine/engineClient.ts";
import { Heartbeat } from "../src/engine/heartbeat.ts";
import type { Committer } from "../src/engine/committer.ts";
import { openEngine } from "../src/engine/testEngine.ts";
import type { EngineHandover, EngineIn, EngineOutBatch } from "../src/engine/wire.ts";
import type { Log, LogRecord } from "../src/log/log.ts";
import type { Runner } from "../src/runner/runner.ts";
import type { MemoryLog } from "../src/log/memory.ts";
import { openSqliteStore, type SqliteStore } from "../src/store/sqliteStore.ts";
import type { Random } from "../src/base/random.ts";
import { type Scheduler, startScheduler } from "../src/scheduler/scheduler.ts";
import { SimActions } from "./actions.ts";
import type { Chance } from "./chance.ts";
import type { History } from "./history.ts";
import { type Bugs, overlay } from "./plantedBugs.ts";
import type { SimClock } from "./simClock.ts";

export interface ProcessOptions {
  readonly boot: string;
  readonly log: MemoryLog;
  readonly storePath: string;
  readonly clock: SimClock;
  readonly random: Random;
  readonly runner: Runner;
  readonly chance: Chance;
  readonly bugs: Bugs;
  readonly history: History;
  readonly watch: ProcessWatch;
}

/** Who is told what happens inside. */
export interface ProcessWatch {
  appended(boot: string, records: readonly LogRecord[]): void;
  posted(process: SimProcess, batch: EngineOutBatch): void;
  defect(error: unknown): void;
}

/** What a call to blame gets to hear. */
export const lossMessage = "Function execution timed out (maximum duration: 1s)\n";

type Task = () => void;
type Channel = "net" | "to engine" | "to net" | "engine";

/**
 * One process of the server: net side and engine side, with queues between them that somebody else empties, and an
 * engine "thread" that can die at any point of its work. A dead engine finishes its turn, but whatever it does then
 * stays inside of it, just as if it had been stopped there.
 */
export class SimProcess {
  readonly boot: string;
  readonly client: EngineClient;
  readonly actions: SimActions;
  /** The disk takes nothing any more: main/ ends a process that learns of it. */
  hasFailed = false;
  /** What each id was given for: it names that query and no other for as long as the process lives. */
  readonly queriesById = new Map<LiveQueryId, string>();
  readonly #options: ProcessOptions;
  readonly #scheduler: Scheduler;
  readonly #queues: Readonly<Record<Channel, Task[]>> = {
    net: [],
    "to engine": [],
    "to net": [],
    engine: [],
  };
  #generation = 0;
  #engine: { readonly engine: Engine; readonly committer: Committer; readonly store: SqliteStore } | null =
    null;
  #handover: EngineHandover | null = null;
  /** The engine runs, but the net side does not know yet. */
  #connecting = false;
  #heartbeat = new Heartbeat();
  /** Points of work that are left until the engine dies; infinite while it is not to. */
  #pointsLeft = Infinity;
  #guilty: number | null = null;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.boot = options.boot;
    const { log, bugs, boot, chance, history } = options;
    this.client = new EngineClient({
      durability: {
        durableTs: () => (bugs.has("acknowledge before durable") ? log.lastTs() : log.durableTs()),
        // Called in a microtask of the log, where an exception would end the simulation.
        onDurable: (listener) => log.onDurable(() => this.#reporting(listener)),
      },
      soon: (task) => this.#queues.net.push(task),
    });
    this.#handover = this.client.handover();
    log.onFailure((error) => {
      this.hasFailed = true;
      this.client.fail(error);
    });
    const durableTs = () => log.durableTs();
    this.actions = new SimActions({ boot, client: this.client, durableTs, chance, history });
    this.#scheduler = startScheduler({
      engine: bugs.jobEngine(this.client, history),
      runAction: (call) => this.actions.run(call),
      clock: options.clock,
      timers: options.clock,
      random: options.random,
      // Refused actions are reported, as they are meant to be.
      report: () => {},
    });
  }

  get committer(): Committer | null {
    return this.#engine?.committer ?? null;
  }
  get store(): SqliteStore | null {
    return this.#engine?.store ?? null;
  }
  get isUp(): boolean {
    return this.#engine !== null && !this.#connecting;
  }
  get isDead(): boolean {
    return this.#pointsLeft <= 0;
  }

  #reporting(task: Task): void {
    try {
      task();
    } catch (error) {
      this.#options.watch.defect(error);
    }
  }

  channels(): Channel[] {
    return (Object.keys(this.#queues) as Channel[]).filter((name) => this.#queues[name].length > 0);
  }

  run(channel: Channel): void {
    this.#queues[channel].shift()?.();
  }

  /** The engine is to die after some more points of its work. */
  condemn(points: number): void {
    this.#pointsLeft = points;
  }
  pardon(): void {
    if (!this.isDead) this.#pointsLeft = Infinity;
  }

  /** One step of starting an engine; null when there is none to take. */
  startStep(): (() => Promise<void>) | null {
    if (this.#handover !== null) return () => this.#open();
    return this.#connecting ? () => Promise.resolve(this.#connect()) : null;
  }

  async #open(): Promise<void> {
    const { log, storePath, clock, random, runner, bugs, watch } = this.#options;
    const handover = bugs.handover(this.#handover as EngineHandover);
    this.#handover = null;
    this.#pointsLeft = Infinity;
    this.#guilty = null;
    const generation = ++this.#generation;
    const current = (task: Task) => () => {
      if (this.#generation === generation) task();
    };
    const store = openSqliteStore(storePath, { cacheBytesMax: 20_000 });
    try {
      this.#heartbeat = this.#mortalHeartbeat();
      const { engine, committer } = await openEngine({
        store: bugs.store(overlay(store, { persist: () => this.#living(() => store.persist()) })),
        log: bugs.log(this.#mortalLog(log)),
        clock,
        timers: { setTimeout: (callback, delayMs) => clock.setTimeout(current(callback), delayMs) },
        random,
        runner,
        heartbeat: this.#heartbeat,
        boot: this.boot,
        handover,
        post: (batch) => this.#living(() => this.#post(bugs.batch(structuredClone(batch)), current)),
        soon: (task) => this.#queues.engine.push(current(task)),
        reportDefect: (error) => watch.defect(error),
      });
      bugs.committer(committer);
      this.#engine = { engine, committer, store };
      this.#connecting = true;
      engine.start(handover);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  #connect(): void {
    this.#connecting = false;
    const generation = this.#generation;
    this.client.connect((messages: readonly EngineIn[]) => {
      const copy = structuredClone(messages);
      this.#queues["to engine"].push(() => {
        if (this.#generation === generation) this.#engine?.engine.receive(copy);
      });
    });
  }

  #post(batch: EngineOutBatch, current: (task: Task) => Task): void {
    this.#options.watch.posted(this, batch);
    const deliver = () => this.client.receive(batch);
    const stubborn = this.#options.bugs.has("deliver what a dead engine said");
    this.#queues["to net"].push(stubborn ? deliver : current(deliver));
  }

  /** The engine thread is gone; what it had not persisted is lost. The next one can be started. */
  loseEngine(): void {
    this.#generation += 1;
    this.#queues["to engine"].length = 0;
    this.#queues.engine.length = 0;
    this.#engine?.store.close();
    this.#engine = null;
    this.#connecting = false;
    this.#pointsLeft = Infinity;
    this.client.disconnected({ guilty: this.#guilty, failure: { message: lossMessage } });
    this.#guilty = null;
    this.#handover = this.client.handover();
  }

  /** The process is gone, in the middle of whatever it did. */
  kill(): void {
    this.#scheduler.close();
    this.actions.kill();
    this.#generation += 1;
    for (const queue of Object.values(this.#queues)) queue.length = 0;
    this.#engine?.store.close();
    this.#engine = null;
    this.#handover = null;
    this.#connecting = false;
  }

  /** A point of the engine's work at which it may die. */
  #point(): void {
    if (this.isDead) return;
    this.#pointsLeft -= 1;
    // As in main/engineSupervisor.ts: what was running is to blame.
    if (this.isDead) this.#guilty = this.#heartbeat.runningCall();
  }

  #living(act: () => void): void {
    this.#point();
    if (this.isDead) return;
    act();
    this.#point();
  }

  #mortalLog(log: Log): Log {
    return overlay(log, {
      append: (records) =>
        this.#living(() => {
          this.#options.watch.appended(this.boot, records);
          log.append(records);
        }),
      waitDurableSync: (ts, timeoutMs) => this.#living(() => log.waitDurableSync(ts, timeoutMs)),
    });
  }

  #mortalHeartbeat(): Heartbeat {
    const point = () => this.#point();
    return new (class extends Heartbeat {
      override startClock(startedMs: number, limitMs: number): void {
        super.startClock(startedMs, limitMs);
        point();
      }
      override stopClock(): void {
        point();
        super.stopClock();
      }
    })();
  }
}
