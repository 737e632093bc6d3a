import { serveCalls } from "../harness/calls.ts";
import { Latencies, type Measurement } from "../harness/statistics.ts";
import { openTransferClient, type TransferClient, type TransferTarget } from "./transferClients.ts";
import { accountPairs } from "./zipf.ts";

// Load generator of W1: keeps a fixed number of transfers in flight per client.

export interface TransferLoad {
  readonly target: TransferTarget;
  readonly accounts: number;
  readonly alpha: number;
  readonly clients: number;
  readonly inFlight: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Differs from round to round, so that no round meets only what the one before it has warmed. */
  readonly seed: number;
}

export interface TransferResult extends Measurement {
  /** Net effect of all acknowledged transfers, warm-up included, on the accounts 0, 1, 2, ... */
  readonly deltas: readonly number[];
}

const pairCount = 200_000;
/** Accounts whose balance is checked afterwards; the lowest numbers are the hottest. */
const checkedAccounts = 64;
const failuresKept = 5;
const drainMsMax = 60_000;

const pairsByKey = new Map<string, Uint32Array>();

async function run(load: TransferLoad): Promise<TransferResult> {
  const key = `${load.accounts}/${load.alpha}/${load.seed}`;
  const pairs = pairsByKey.get(key) ?? accountPairs(load.accounts, load.alpha, pairCount, load.seed);
  pairsByKey.set(key, pairs);
  const clients: TransferClient[] = [];
  for (let opened = 0; opened < load.clients; opened++)
    clients.push(await openTransferClient(load.target, load.inFlight));
  try {
    return await drive(load, clients, pairs);
  } finally {
    for (const client of clients) client.destroy();
  }
}

function drive(load: TransferLoad, clients: TransferClient[], pairs: Uint32Array): Promise<TransferResult> {
  return new Promise((resolve, reject) => {
    const latencies = new Latencies();
    const deltas = Array.from({ length: checkedAccounts }, () => 0);
    const failures: string[] = [];
    let failed = 0;
    let measured = 0;
    let completed = 0;
    let outstanding = 0;
    let drainTimer: NodeJS.Timeout | undefined;
    const begin = performance.now() + load.warmupSeconds * 1000;
    const end = begin + load.seconds * 1000;
    let cpuAtBegin: NodeJS.CpuUsage | null = null;
    let cpu = 0;

    const finish = () => {
      clearTimeout(drainTimer);
      const { p50Ms, p99Ms, maxMs } = latencies.summary();
      if (failed > failuresKept) failures.push(`... ${failed} failures in all`);
      resolve({
        perSecond: measured / load.seconds,
        count: measured,
        p50Ms,
        p99Ms,
        maxMs,
        loadCpu: cpu / (load.seconds * 1e6),
        completed,
        cpuUsEach: Number.NaN,
        failures,
        notes: [],
        deltas,
      });
    };
    setTimeout(() => {
      cpuAtBegin = process.cpuUsage();
    }, begin - performance.now());
    setTimeout(() => {
      const used = process.cpuUsage(cpuAtBegin ?? undefined);
      cpu = used.user + used.system;
      drainTimer = setTimeout(
        () => reject(new Error(`${outstanding} transfers were not answered within ${drainMsMax} ms`)),
        drainMsMax,
      );
      if (outstanding === 0) finish();
    }, end - performance.now());

    const next = (client: TransferClient, position: number) => {
      const at = (position * 2) % pairs.length;
      const from = pairs[at] ?? 0;
      const to = pairs[at + 1] ?? 0;
      const sent = performance.now();
      outstanding++;
      client.transfer(from, to, (failure) => {
        outstanding--;
        const now = performance.now();
        if (failure === null) {
          completed++;
          if (from < checkedAccounts) deltas[from] = (deltas[from] ?? 0) - 1;
          if (to < checkedAccounts) deltas[to] = (deltas[to] ?? 0) + 1;
          if (now >= begin && now < end) {
            measured++;
            latencies.add(now - sent);
          }
        } else {
          failed++;
          if (failures.length < failuresKept) failures.push(failure);
        }
        // A system that refuses everything must not be hammered for the rest of the measurement.
        if (now < end && failed < 1000) next(client, position + 1);
        else if (now >= end && outstanding === 0 && drainTimer !== undefined) finish();
      });
    };
    const apart = Math.floor(pairCount / (clients.length * load.inFlight));
    clients.forEach((client, number) => {
      for (let slot = 0; slot < load.inFlight; slot++)
        next(client, (number * load.inFlight + slot) * Math.max(1, apart));
    });
  });
}

serveCalls({ run });
