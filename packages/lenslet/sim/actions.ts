import { LensletError } from "../src/base/errors.ts";
import type { FunctionCall, FunctionResult } from "../src/engine/api.ts";
import type { EngineClient } from "../src/engine/engineClient.ts";
import type { CommitTs } from "../src/log/log.ts";
import type { Chance } from "./chance.ts";
import type { ActionRun, History } from "./history.ts";

interface Running {
  readonly call: FunctionCall;
  readonly resolve: (result: FunctionResult) => void;
  readonly reject: (error: Error) => void;
  /** Null until it is really started. */
  run: ActionRun | null;
}

export interface SimActionsOptions {
  readonly boot: string;
  readonly client: EngineClient;
  readonly durableTs: () => CommitTs;
  readonly chance: Chance;
  readonly history: History;
}

/** The action host of one process: actions are refused, started, schedule others and end whenever chance wants it. */
export class SimActions {
  readonly #options: SimActionsOptions;
  readonly #running: Running[] = [];

  constructor(options: SimActionsOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#running.length === 0;
  }

  run(call: FunctionCall): Promise<FunctionResult> {
    return new Promise((resolve, reject) => this.#running.push({ call, resolve, reject, run: null }));
  }

  /** The process is gone, and what it ran with it. */
  kill(): void {
    this.#running.length = 0;
  }

  /** Takes one action one step further. */
  step(): void {
    const { chance } = this.#options;
    const action = chance.pick(this.#running);
    if (action.run === null) this.#start(action);
    else if (chance.oneIn(3)) this.#scheduleChild(action);
    else this.#finish(action, action.run);
  }

  #start(action: Running): void {
    const { chance, history, boot, durableTs } = this.#options;
    if (chance.oneIn(6)) {
      this.#remove(action);
      action.reject(new LensletError("RateLimited", "TooManyConcurrentRequests", "no place for it"));
      return;
    }
    const key = keyOf(action.call);
    const runs = history.actionRuns.get(key) ?? [];
    action.run = { boot, durableTs: durableTs(), end: null };
    history.actionRuns.set(key, [...runs, action.run]);
  }

  #scheduleChild({ call }: Running): void {
    const { client, history, chance } = this.#options;
    const by = call.scheduledFunctionId;
    if (by === undefined) return;
    const key = `child ${history.children.size}`;
    history.children.set(key, false);
    const request = {
      componentPath: "",
      scheduledFunctionId: by,
      args: { name: "j:hop", ts: 1_700_000_000 + chance.below(5), args: { key, hops: 0, by }, version: "0" },
    };
    client.system("scheduler.schedule", JSON.stringify(request)).then(
      () => history.children.set(key, true),
      // The process went down; it may have been scheduled.
      () => null,
    );
  }

  #finish(action: Running, run: ActionRun): void {
    this.#remove(action);
    const ok = this.#options.chance.oneIn(2);
    run.end = { ok, error: ok ? "" : "Uncaught Error: bad luck\n" };
    action.resolve(
      ok
        ? { ok, valueJson: "null", logLines: [] }
        : { ok, error: { message: run.end.error }, logLines: ["[LOG] 'bad luck'"] },
    );
  }

  #remove(action: Running): void {
    this.#running.splice(this.#running.indexOf(action), 1);
  }
}

function keyOf({ scheduledFunctionId, target }: FunctionCall): string {
  if (scheduledFunctionId !== undefined) return scheduledFunctionId;
  return target.kind === "path" ? target.path : JSON.stringify(target);
}
