import type { FunctionCall, FunctionResult } from "../engine/api.ts";
import { TestEngine, type TestEngineOptions } from "../engine/testEngine.ts";
import { type Scheduler, startScheduler } from "./scheduler.ts";

/** An action that was started and has not ended yet. */
export interface RunningAction {
  readonly call: FunctionCall;
  readonly end: (result: FunctionResult) => void;
  /** It was not run after all. */
  readonly refuse: (error: Error) => void;
}

/** For tests: an engine with a scheduler; actions are run by hand. */
export class SchedulerRig {
  readonly server: TestEngine;
  readonly reports: string[] = [];
  /** In the order of their starts. */
  readonly actions: RunningAction[] = [];
  scheduler: Scheduler;

  private constructor(server: TestEngine) {
    this.server = server;
    this.scheduler = this.#start();
  }

  static async start(
    files: Readonly<Record<string, string>>,
    options: TestEngineOptions = {},
  ): Promise<SchedulerRig> {
    const rig = new SchedulerRig(await TestEngine.start(files, options));
    await rig.server.settle();
    return rig;
  }

  #start(): Scheduler {
    const { client, clock, random } = this.server;
    return startScheduler({
      engine: client,
      runAction: (call) =>
        new Promise((resolve, reject) => this.actions.push({ call, end: resolve, refuse: reject })),
      clock,
      timers: clock,
      random,
      report: (_level, message) => this.reports.push(message),
    });
  }

  /** As a new process would: the one before had no time to write anything down. */
  async restart(): Promise<void> {
    this.scheduler.close();
    this.actions.length = 0;
    await this.server.replaceEngine();
    this.scheduler = this.#start();
    await this.server.settle();
  }

  /** Lets time go by, in steps, with everything that becomes due. */
  async advance(ms: number, stepMs = ms): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.server.clock.advance(Math.min(stepMs, left));
      await this.server.settle();
    }
  }

  dispose(): void {
    this.scheduler.close();
    this.server.dispose();
  }
}
