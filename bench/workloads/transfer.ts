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
import type { TransferLoad, TransferResult } from "../load/transfer.ts";
import type { Bench } from "../systems/context.ts";
import { durable, type TransferStore, transferSystems } from "../systems/transferSystems.ts";
import { costColumns, type Section, seriesFailures, seriesNotes, type WorkloadReport } from "./report.ts";

// W1: transfers between accounts, in a closed loop.

const startBalance = 1e9;
const checkedAccounts = 64;
const seedOfRound = (round: number) => 1000 + round;

interface Row {
  readonly name: string;
  readonly durability: string;
  readonly kind: "ours" | "peer" | "limit";
  readonly measure: (load: Omit<TransferLoad, "target">) => Promise<Measurement>;
}

interface StartedStore {
  readonly name: string;
  readonly store: TransferStore;
  /** What the acknowledged transfers of all runs add up to, for the accounts that are checked. */
  readonly deltas: number[];
}

const logLimit = "limit: log append + fdatasync";
const sqliteLimit = "limit: SQLite in process, group commit";

export async function runTransfer(bench: Bench): Promise<WorkloadReport> {
  const { options, say } = bench;
  const failures: string[] = [];
  const loadChild = bench.children.spawnModule(
    "load generator",
    new URL("../load/transfer.ts", import.meta.url),
    bench.cores.load,
  );
  const stores: StartedStore[] = [];
  const rows: Row[] = [];
  for (const system of transferSystems) {
    if (!isWanted(options.only, system.name)) continue;
    say(`W1: starting ${system.name}`);
    try {
      const store = await system.start(bench, options.accounts, startBalance);
      const started: StartedStore = {
        name: system.name,
        store,
        deltas: Array.from({ length: checkedAccounts }, () => 0),
      };
      stores.push(started);
      for (const { name, target } of store.targets) {
        rows.push({
          name,
          durability: store.durability,
          kind: system.kind,
          measure: async (load) => {
            const result = await withCpuTime(store.pids, () =>
              loadChild.call<TransferResult>("run", { ...load, target }),
            );
            result.deltas.forEach((delta, account) => {
              started.deltas[account] = (started.deltas[account] ?? 0) + delta;
            });
            return withoutDeltas(result);
          },
        });
      }
    } catch (error) {
      failures.push(`${system.name} did not start: ${(error as Error).message}`);
    }
  }
  if (isWanted(options.only, "limit: storage")) rows.push(...startStorageLimits(bench));

  const sections: Section[] = [];
  for (const inFlight of options.inFlight) {
    for (const alpha of options.alphas) {
      const title = `${options.accounts.toLocaleString("en-US")} accounts, Zipf alpha ${alpha}, ${options.clients} clients with ${inFlight} in flight each`;
      say(`W1: ${title}`);
      const subjects = rows.map((row): Subject => ({
        name: row.name,
        measure: (round) =>
          row.measure({
            accounts: options.accounts,
            alpha,
            clients: options.clients,
            inFlight,
            warmupSeconds: options.warmupSeconds,
            seconds: options.seconds,
            seed: seedOfRound(round),
          }),
      }));
      const series = await bench.profiling(() =>
        interleave(options.rounds, subjects, (name, round, { perSecond }) =>
          say(`  round ${round + 1}: ${name}: ${formatRate(perSecond)}/s`),
        ),
      );
      failures.push(...seriesFailures(title, series));
      const section: Section = {
        title,
        parameters: { inFlight, alpha },
        series,
        table: transferTable(rows, series),
        notes: seriesNotes(series),
      };
      bench.publish(section);
      sections.push(section);
    }
  }
  for (const started of stores) {
    say(`W1: checking the balances of ${started.name}`);
    failures.push(...(await checkBalances(started, options.accounts)));
  }
  return { workload: "W1", sections, failures };
}

function startStorageLimits(bench: Bench): Row[] {
  const child = bench.children.spawnModule(
    "limit: storage",
    new URL("../limits/storage.ts", import.meta.url),
    bench.cores.server,
    { folder: bench.folder("limits") },
  );
  const row = (name: string, call: string): Row => ({
    name,
    durability: durable,
    kind: "limit",
    measure: ({ accounts, alpha, clients, inFlight, warmupSeconds, seconds }) =>
      // These neither warm up nor vary like a server: half the time is enough.
      child.call(call, {
        accounts,
        alpha,
        group: clients * inFlight,
        warmupSeconds: Math.min(warmupSeconds, 0.5),
        seconds: seconds / 2,
      }),
  });
  return [row(sqliteLimit, "sqliteGroups"), row(logLimit, "appendAndSync")];
}

function withoutDeltas({ deltas: _deltas, ...measurement }: TransferResult): Measurement {
  return measurement;
}

/** The sum may not have changed, and the hottest accounts must hold exactly what their clients were told. */
async function checkBalances({ name, store, deltas }: StartedStore, accounts: number): Promise<string[]> {
  if (store.balances === null) return [];
  try {
    const checked = Math.min(checkedAccounts, accounts);
    const { total, first } = await store.balances(checked);
    const wrong = first.findIndex((balance, account) => balance !== startBalance + (deltas[account] ?? 0));
    return [
      ...(total === accounts * startBalance
        ? []
        : [`${name}: the balances add up to ${total}, not ${accounts * startBalance}`]),
      ...(first.length === checked ? [] : [`${name}: ${first.length} of ${checked} accounts were found`]),
      ...(wrong < 0
        ? []
        : [
            `${name}: account ${wrong} holds ${first[wrong]}, its clients were told ${startBalance + (deltas[wrong] ?? 0)}`,
          ]),
    ];
  } catch (error) {
    return [`${name}: the balances could not be checked: ${(error as Error).message}`];
  }
}

function transferTable(rows: readonly Row[], series: readonly Series[]): string {
  const rate = (measurement: Measurement) => measurement.perSecond;
  const seriesOf = (name: string) => series.find(({ system }) => system === name);
  const durabilityOf = (name: string) => rows.find((row) => row.name === name)?.durability;
  const namesOf = (wanted: Row["kind"]) => rows.filter(({ kind }) => kind === wanted).map(({ name }) => name);
  const ours = namesOf("ours");
  const peers = namesOf("peer");
  /** Never a ratio between two modes of durability. */
  const ratio = (of: string, to: string) =>
    durabilityOf(of) === durabilityOf(to) && of !== to
      ? medianRatio(seriesOf(of), seriesOf(to), rate)
      : Number.NaN;
  const columns: Column<Series>[] = [
    { title: "system", align: "left", cell: ({ system }) => system },
    { title: "durability", align: "left", cell: ({ system }) => durabilityOf(system) ?? "" },
    { title: "transfers/s", align: "right", cell: (row) => formatRate(medianOf(row, rate)) },
    {
      title: "min..max",
      align: "right",
      cell: ({ rounds }) =>
        `${formatRate(Math.min(...rounds.map(rate)))}..${formatRate(Math.max(...rounds.map(rate)))}`,
    },
    { title: "p50 ms", align: "right", cell: (row) => formatMs(medianOf(row, ({ p50Ms }) => p50Ms)) },
    { title: "p99 ms", align: "right", cell: (row) => formatMs(medianOf(row, ({ p99Ms }) => p99Ms)) },
    ...ours.map((name): Column<Series> => ({
      title: `${name.replace("lenslet, ", "ours (")}) is`,
      align: "right",
      cell: ({ system }) => (peers.includes(system) ? formatRatio(ratio(name, system)) : "-"),
    })),
    { title: "of log limit", align: "right", cell: ({ system }) => formatShare(ratio(system, logLimit)) },
    {
      title: "of SQLite limit",
      align: "right",
      cell: ({ system }) => formatShare(ratio(system, sqliteLimit)),
    },
    ...costColumns,
  ];
  return renderTable(columns, series);
}

export function isWanted(only: readonly string[], name: string): boolean {
  return only.length === 0 || only.some((word) => name.toLowerCase().includes(word.toLowerCase()));
}
