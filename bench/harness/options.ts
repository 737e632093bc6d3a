import { parseArgs } from "node:util";

export const workloadNames = ["W1", "W2", "W3", "W4", "W5", "W6", "W8", "W9", "W10"] as const;
export type WorkloadName = (typeof workloadNames)[number];

/** What one run of the bench does, as given on the command line. */
export interface Options {
  readonly workloads: readonly WorkloadName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Where the JSON report goes; null: nowhere. */
  readonly jsonFile: string | null;
  /** Parent of the temporary folder; it must be on a disk, not in memory. */
  readonly folder: string | null;
  /** Substrings of system names to measure; empty: all. */
  readonly only: readonly string[];
  /** Folder for CPU profiles of our server; null: no profiling. */
  readonly profileFolder: string | null;
  readonly accounts: number;
  readonly clients: number;
  readonly inFlight: readonly number[];
  readonly alphas: readonly number[];
  readonly rows: readonly number[];
  readonly rates: readonly number[];
  readonly subscribers: readonly number[];
  readonly bystanders: readonly number[];
  readonly sessions: number;
  readonly vectors: number;
  readonly queries: number;
  readonly startRows: readonly number[];
}

export class UsageError extends Error {}

export const usage = `npm run bench -- [W1 W2 W3 W4 W5 W6 W8 W9 W10] [options]

  W1  transfer       two accounts, read through an index and patched, in one transaction
  W2  indexed query  ten rows of one of 50 channels, from a number on, by an index
  W3  insert         one row into a table with two indexes
  W4  observe        insert a row, time until a subscriber sees it
  W5  fan-out        insert a row, time until all subscribers have seen it
  W6  selective      insert a row that concerns one of many live queries
  W8  sessions       connect many WebSocket sessions, cut them all off, connect them again
  W9  vector search  the ten nearest of many vectors, with and without a filter
  W10 start          from the start of the process to its first answer

  --rounds N         interleaved rounds, the table shows medians (3)
  --seconds N        length of one measurement (5)
  --warmup N         seconds before each measurement that are not counted (1)
  --json FILE        also write every single measurement to FILE
  --only A,B         only systems whose name contains one of these words, e.g. --only lenslet,limit
  --dir FOLDER       where temporary data goes; must be on a disk (the system's temporary folder)
  --profile FOLDER   write a CPU profile of each thread of our server there (makes it slower)
  --accounts N       W1: accounts (100000)
  --clients N        W1: clients (64)
  --in-flight A,B    W1: unanswered requests per client (1,40)
  --alpha A,B        W1: exponents of the Zipf distribution (0,1.5)
  --rows A,B         W2: rows of the table (500,100000)
  --rates A,B        W5: writes per second (1,10,100)
  --subscribers A,B  W5: subscribers of the one query (10,100,1000,10000)
  --bystanders A,B   W6: live queries of other channels (1000,10000,100000)
  --sessions N       W8: sessions; each is an open file of both sides (15000)
  --vectors N        W9: vectors in the table (100000)
  --queries N        W9: different queries, whose exact answers are computed first (50)
  --start-rows A,B   W10: documents in the store (0,1000000)`;

/** @throws UsageError with a text for the user */
export function parseOptions(argv: readonly string[]): Options {
  const { values, positionals } = parse(argv);
  const workloads = positionals.map((name) => {
    const known = workloadNames.find((workload) => workload === name.toUpperCase());
    if (known === undefined) throw new UsageError(`There is no workload ${name} (yet).`);
    return known;
  });
  return {
    workloads: workloads.length > 0 ? workloads : [...workloadNames],
    rounds: wholeNumber("--rounds", values.rounds),
    seconds: positive("--seconds", values.seconds),
    warmupSeconds: numberAtLeast("--warmup", values.warmup, 0),
    jsonFile: values.json ?? null,
    folder: values.dir ?? null,
    only: words(values.only ?? ""),
    profileFolder: values.profile ?? null,
    accounts: numberAtLeast("--accounts", values.accounts, 100),
    clients: wholeNumber("--clients", values.clients),
    inFlight: words(values["in-flight"]).map((word) => wholeNumber("--in-flight", word)),
    alphas: words(values.alpha).map((word) => numberAtLeast("--alpha", word, 0)),
    rows: words(values.rows).map((word) => wholeNumber("--rows", word)),
    rates: words(values.rates).map((word) => positive("--rates", word)),
    subscribers: words(values.subscribers).map((word) => wholeNumber("--subscribers", word)),
    bystanders: words(values.bystanders).map((word) => wholeNumber("--bystanders", word)),
    sessions: wholeNumber("--sessions", values.sessions),
    vectors: wholeNumber("--vectors", values.vectors),
    queries: wholeNumber("--queries", values.queries),
    startRows: words(values["start-rows"]).map((word) => numberAtLeast("--start-rows", word, 0)),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "5" },
        warmup: { type: "string", default: "1" },
        json: { type: "string" },
        only: { type: "string" },
        dir: { type: "string" },
        profile: { type: "string" },
        accounts: { type: "string", default: "100000" },
        clients: { type: "string", default: "64" },
        "in-flight": { type: "string", default: "1,40" },
        alpha: { type: "string", default: "0,1.5" },
        rows: { type: "string", default: "500,100000" },
        rates: { type: "string", default: "1,10,100" },
        subscribers: { type: "string", default: "10,100,1000,10000" },
        bystanders: { type: "string", default: "1000,10000,100000" },
        sessions: { type: "string", default: "15000" },
        vectors: { type: "string", default: "100000" },
        queries: { type: "string", default: "50" },
        "start-rows": { type: "string", default: "0,1000000" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function words(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

function numberAtLeast(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number < least)
    throw new UsageError(`${flag} needs a number of at least ${least}, not ${text}.`);
  return number;
}

function positive(flag: string, text: string): number {
  return numberAtLeast(flag, text, 0.1);
}

function wholeNumber(flag: string, text: string): number {
  const number = numberAtLeast(flag, text, 1);
  if (!Number.isInteger(number)) throw new UsageError(`${flag} needs a whole number, not ${text}.`);
  return number;
}
