import { ask, deployStreamingApp, runFunction } from "../conformance/streaming/consumer.ts";
import { ResidentMemory } from "../conformance/files/largeFile.ts";
import { TestServer } from "../conformance/support/server.ts";

/**
 * How fast a streaming export is read, and what memory it takes, with mutations going on: Linux only,
 * node scripts/streaming-export.ts [documents, default 200,000]
 */
const documents = Number(process.argv[2] ?? 200_000);
const perMutation = 1000;
const server = await TestServer.start();
try {
  await deployStreamingApp(server);
  for (let from = 0; from < documents; from += perMutation)
    await runFunction(server, "data:fill", { from, count: Math.min(perMutation, documents - from) });
  await measured("no reader", async () => {
    await new Promise((resolve) => setTimeout(resolve, 5000));
    return 0;
  });
  await measured("list_snapshot", () => readPages("list_snapshot", {}));
  await measured("document_deltas from the beginning", () => readPages("document_deltas", { cursor: 0 }));
} finally {
  await server.dispose();
}

/** Reads to the end; how many rows there were. */
async function readPages(route: string, first: object): Promise<number> {
  let rows = 0;
  let request = first;
  for (;;) {
    const { status, json } = await ask(server, route, request);
    if (status !== 200) throw new Error(JSON.stringify(json));
    const { values, snapshot, cursor, hasMore } = json as {
      values: unknown[];
      snapshot?: number;
      cursor: unknown;
      hasMore: boolean;
    };
    rows += values.length;
    if (!hasMore) return rows;
    request = snapshot === undefined ? { cursor } : { cursor, snapshot };
  }
}

async function measured(what: string, read: () => Promise<number>): Promise<void> {
  const memory = new ResidentMemory(server);
  const startedMs = performance.now();
  const reading = { hasEnded: false };
  const work = read().finally(() => {
    reading.hasEnded = true;
  });
  const latenciesMs: number[] = [];
  while (!reading.hasEnded) {
    const sentMs = performance.now();
    await runFunction(server, "data:fill", { from: 0, count: 1 });
    latenciesMs.push(performance.now() - sentMs);
    memory.note(0);
  }
  const rows = await work;
  const seconds = (performance.now() - startedMs) / 1000;
  latenciesMs.sort((a, b) => a - b);
  const latency = (share: number) => (latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0).toFixed(1);
  console.log(
    `${what}: ${rows} rows in ${seconds.toFixed(1)} s (${(rows / seconds).toFixed(0)}/s); mutations meanwhile ${latenciesMs.length}, p50 ${latency(0.5)} ms, p99 ${latency(0.99)} ms; memory ${memory.beforeMib.toFixed(0)} MiB before, ${memory.mostMib.toFixed(0)} MiB at most`,
  );
}
