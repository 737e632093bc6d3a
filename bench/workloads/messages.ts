import type { Child } from "../harness/children.ts";
import { interleave, type Subject, withCpuTime } from "../harness/rounds.ts";
import { medianOf, medianRatio, type Measurement, type Series } from "../harness/statistics.ts";
import {
  type Column,
  formatMs,
  formatRate,
  formatRatio,
  formatShare,
  renderTable,
} from "../harness/table.ts";
import type { MessagesLoad, MessagesResult, MessagesTarget } from "../load/messages.ts";
import type { Bench } from "../systems/context.ts";
import type { MessageServer, MessageSystem } from "../systems/messageSystems.ts";
import { costColumns, type Section, seriesFailures, seriesNotes } from "./report.ts";
import { isWanted } from "./transfer.ts";

/** One way of writing, measured in every system with the same subscribers. */
export interface MessagesCase {
  readonly title: string;
  readonly parameters: Readonly<Record<string, number | string>>;
  readonly load: Pick<MessagesLoad, "rate" | "inFlight">;
}

interface Started {
  readonly system: MessageSystem;
  readonly server: MessageServer;
}

/** Systems of W4 and W5, started, with their load generator. */
export class MessagesRun {
  readonly failures: string[] = [];
  readonly #bench: Bench;
  readonly #load: Child;
  readonly #started: Started[];

  private constructor(bench: Bench, load: Child, started: Started[]) {
    this.#bench = bench;
    this.#load = load;
    this.#started = started;
  }

  static async start(
    bench: Bench,
    workload: string,
    systems: readonly MessageSystem[],
  ): Promise<MessagesRun> {
    const load = bench.children.spawnModule(
      "load generator",
      new URL("../load/messages.ts", import.meta.url),
      bench.cores.load,
    );
    const started: Started[] = [];
    const run = new MessagesRun(bench, load, started);
    for (const system of systems) {
      if (!isWanted(bench.options.only, system.name)) continue;
      bench.say(`${workload}: starting ${system.name}`);
      try {
        started.push({ system, server: await system.start(bench) });
      } catch (error) {
        run.failures.push(`${system.name} did not start: ${(error as Error).message}`);
      }
    }
    return run;
  }

  /**
   * Measures all cases with this many subscribers. Each system is connected once per round; its cases follow each
   * other, then comes the next system.
   */
  async measure(
    { subscribers, bystanders = 0 }: { subscribers: number; bystanders?: number },
    cases: readonly MessagesCase[],
  ): Promise<Section[]> {
    const { options, say } = this.#bench;
    const results = new Map<string, Measurement[]>();
    const keyOf = (system: string, of: MessagesCase) => `${system}\n${of.title}`;
    const subjects = this.#started.map((started): Subject => ({
      name: started.system.name,
      measure: async () => {
        const target: MessagesTarget = {
          protocol: started.system.protocol,
          port: started.server.port,
          subscribers,
          bystanders,
        };
        await this.#load.call("connect", target);
        let last: MessagesResult | null = null;
        try {
          for (const of of cases) {
            if (last !== null && last.unseen > 0) await this.#reconnect(target);
            const load = {
              ...of.load,
              warmupSeconds: options.warmupSeconds,
              seconds: options.seconds,
            };
            last = await withCpuTime(started.server.pids, () => this.#load.call<MessagesResult>("run", load));
            const key = keyOf(started.system.name, of);
            results.set(key, [...(results.get(key) ?? []), last]);
            say(`  ${of.title}: ${started.system.name}: p50 ${formatMs(last.p50Ms)} ms`);
            if (started.system.kind === "ours") await this.#adoptFrameSize(last.frameBytes);
          }
        } finally {
          await this.#load.call("disconnect");
        }
        if (last === null) throw new Error("no case to measure");
        return last;
      },
    }));
    const ended = await this.#bench.profiling(() => interleave(options.rounds, subjects, () => {}));
    for (const { system, rounds } of ended) {
      const broken = rounds.findIndex(({ count, failures }) => count === 0 && failures.length > 0);
      if (broken >= 0) this.failures.push(`${system}: ${rounds[broken]?.failures.join("; ")}`);
    }
    const sections = cases.map((of): Section => {
      const series = this.#started.map(({ system }): Series => ({
        system: system.name,
        rounds: results.get(keyOf(system.name, of)) ?? [],
      }));
      this.failures.push(...seriesFailures(of.title, series));
      return {
        title: of.title,
        parameters: of.parameters,
        series,
        table: this.#table(series),
        notes: seriesNotes(series),
      };
    });
    sections.forEach(this.#bench.publish);
    return sections;
  }

  /** What a limit sends must be as long as what we send. */
  async #adoptFrameSize(bytes: number): Promise<void> {
    if (bytes === 0) return;
    for (const { server } of this.#started) await server.setFrameBytes?.(bytes);
  }

  async #reconnect(target: MessagesTarget): Promise<void> {
    await this.#load.call("disconnect");
    await this.#load.call("connect", target);
  }

  #table(series: readonly Series[]): string {
    const p50 = (measurement: Measurement) => measurement.p50Ms;
    const ofKind = (kind: MessageSystem["kind"]) => {
      const name = this.#started.find(({ system }) => system.kind === kind)?.system.name;
      return series.find(({ system }) => system === name);
    };
    const ours = ofKind("ours");
    const limit = ofKind("limit");
    const columns: Column<Series>[] = [
      { title: "system", align: "left", cell: ({ system }) => system },
      {
        title: "durability",
        align: "left",
        cell: ({ system }) =>
          this.#started.find((started) => started.system.name === system)?.system.durability ?? "",
      },
      { title: "p50 ms", align: "right", cell: (row) => formatMs(medianOf(row, p50)) },
      { title: "p99 ms", align: "right", cell: (row) => formatMs(medianOf(row, ({ p99Ms }) => p99Ms)) },
      { title: "max ms", align: "right", cell: (row) => formatMs(medianOf(row, ({ maxMs }) => maxMs)) },
      {
        title: "seen by all/s",
        align: "right",
        cell: (row) => formatRate(medianOf(row, ({ perSecond }) => perSecond)),
      },
      {
        title: "its p50 / ours",
        align: "right",
        cell: (row) => (row === ours ? "-" : formatRatio(medianRatio(row, ours, p50))),
      },
      {
        title: "of limit",
        align: "right",
        cell: (row) => (row === limit ? "-" : formatShare(medianRatio(limit, row, p50))),
      },
      ...costColumns,
    ];
    return renderTable(columns, series);
  }
}
