import { cronSpecs, type ExportedCrons } from "../../lenslet/src/deploy/cronExport.ts";
import { type CronSchedule, firstRunMs, nextRun } from "../../lenslet/src/jobs/cronSchedule.ts";
import { strippedPath } from "../../lenslet/src/engine/functionPath.ts";
import type { Backend } from "./backend.ts";
import type { Component, Resolved } from "./deployment.ts";
import { newRequestId } from "./platform.ts";
import { Alarm } from "./alarm.ts";

interface Cron {
  readonly identifier: string;
  readonly target: Resolved;
  readonly argsJson: string;
  readonly schedule: CronSchedule;
  /** Null before it is started. */
  nextMs: number | null;
  alarm: Alarm | null;
}

/** The crons of the app and of its components: they run when a test starts them, or one by one (functions.md §10.4). */
export class Crons {
  readonly #backend: Backend;
  /** By component path; loaded when first asked for. */
  readonly #crons = new Map<string, Promise<readonly Cron[]>>();
  readonly #started = new Set<Cron>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** When the next one is due that fake timers reach; Infinity when there is none. */
  get dueMs(): number {
    const due = [...this.#started].map(
      ({ nextMs, alarm }) => (alarm?.isFake === true ? nextMs : null) ?? Infinity,
    );
    return Math.min(Infinity, ...due);
  }

  /** As a push does: intervals run at once, the others at their next time. Those that have been started go on. */
  async start(): Promise<void> {
    for (const component of this.#backend.deployment.components)
      for (const cron of await this.#cronsOf(component)) {
        if (this.#started.has(cron)) continue;
        this.#started.add(cron);
        this.#arm(cron, firstRunMs(cron.schedule, Date.now()));
      }
  }

  /** No cron runs any more until they are started again. */
  stop(): void {
    for (const cron of this.#started) cron.alarm?.cancel();
    this.#started.clear();
  }

  /** Runs one now, whatever its schedule says, and throws what it throws. */
  async run(identifier: string, componentPath: string): Promise<void> {
    const crons = await this.#cronsOf(this.#backend.deployment.component(componentPath));
    const cron = crons.find((each) => each.identifier === identifier);
    if (cron === undefined) {
      const known = crons.map((each) => JSON.stringify(each.identifier)).join(", ") || "none";
      throw new Error(
        `There is no cron ${JSON.stringify(identifier)}. The crons of \`crons.ts\` are: ${known}.`,
      );
    }
    const outcome = await this.#call(cron);
    if (!outcome.ok) throw outcome.thrown;
  }

  #cronsOf(component: Component): Promise<readonly Cron[]> {
    let crons = this.#crons.get(component.path);
    if (crons === undefined) {
      crons = this.#load(component);
      this.#crons.set(component.path, crons);
    }
    return crons;
  }

  async #load(component: Component): Promise<readonly Cron[]> {
    const exported = (await component.modules.load("crons"))?.["default"] as
      { readonly isCrons?: boolean; export(): string } | undefined;
    if (exported?.isCrons !== true) return [];
    const specs = cronSpecs(JSON.parse(exported.export()) as ExportedCrons);
    return await Promise.all(
      specs.map(async ({ identifier, spec }): Promise<Cron> => {
        const target = await this.#backend.deployment.resolve({ name: spec.udfPath }, component);
        const { udfType } = target.fn.info;
        if (udfType !== "Mutation" && udfType !== "Action")
          throw new Error(
            `The cron job '${identifier}' schedules ${udfType === "Query" ? "a query function" : "an HTTP action"}, only actions and mutations can be scheduled: ${strippedPath(target.fn.info.path)}`,
          );
        const argsJson = Buffer.from(spec.udfArgs ?? []).toString("utf8") || "[{}]";
        return { identifier, target, argsJson, schedule: spec.cronSchedule, nextMs: null, alarm: null };
      }),
    );
  }

  #arm(cron: Cron, nextMs: number): void {
    cron.nextMs = nextMs;
    cron.alarm = new Alarm(nextMs, () => {
      cron.alarm = null;
      this.#backend.scheduler.track(this.#runDue(cron, nextMs));
    });
  }

  /** One run at a time: the next is set when this one has ended, without those that it made impossible. */
  async #runDue(cron: Cron, scheduledMs: number): Promise<void> {
    const outcome = await this.#call(cron);
    if (!outcome.ok)
      // oxlint-disable-next-line no-console -- whoever watches the test wants to know why a cron had no effect
      console.error(`Error when running cron job ${cron.identifier}`, outcome.thrown);
    if (this.#started.has(cron)) this.#arm(cron, nextRun(cron.schedule, scheduledMs, Date.now()).nextMs);
  }

  #call({ target, argsJson }: Cron) {
    const caller = { identity: null, ip: null, userAgent: null, requestId: newRequestId(), job: null };
    return this.#backend.run({ ...target, argsJson, caller });
  }
}
