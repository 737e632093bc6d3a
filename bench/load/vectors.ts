import http from "node:http";
import { groupOf, vectorOf } from "../app/convex/vectorData.ts";
import { childConfig, serveCalls } from "../harness/calls.ts";
import { Latencies, type Measurement } from "../harness/statistics.ts";
import { ExactVectors } from "../peers/exactVectors.ts";

// Load generator of W9: asks for the ten nearest of known vectors and compares the answers with the exact ones.

export interface VectorsLoad {
  readonly port: number;
  readonly path: string;
  /** Function to call; the peers have but one. */
  readonly name: string;
  readonly filtered: boolean;
  readonly inFlight: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly recallMin: number;
}

export interface MutationsLoad {
  readonly port: number;
  /** Searches that are under way all the time. */
  readonly searches: number;
  readonly seconds: number;
}

interface Query {
  readonly vector: Float32Array;
  readonly group: string;
  readonly nearest: { readonly all: readonly number[]; readonly ofGroup: readonly number[] };
}

const { count, queries: queryCount } = childConfig() as { count: number; queries: number };
let queries: Query[] = [];
let numbers = new Map<string, number>();

function prepare(): void {
  const exact = new ExactVectors(count);
  queries = Array.from({ length: queryCount }, (_, i) => {
    const vector = vectorOf(-1 - i);
    const group = groupOf(i * 7);
    return {
      vector,
      group,
      nearest: { all: exact.search(vector, null), ofGroup: exact.search(vector, group) },
    };
  });
}

async function run(load: VectorsLoad): Promise<Measurement> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: load.inFlight });
  const latencies = new Latencies();
  const failures: string[] = [];
  let [next, completed, found, wanted] = [0, 0, 0, 0];
  const begin = performance.now();
  const from = begin + load.warmupSeconds * 1000;
  const until = from + load.seconds * 1000;
  const cpu = process.cpuUsage();
  const loop = async () => {
    while (performance.now() < until && failures.length === 0) {
      const query = queries[next++ % queries.length] as Query;
      const group = load.filtered ? query.group : null;
      const asked = performance.now();
      const ids = await ask(agent, load, { vector: [...query.vector], group });
      const answered = performance.now();
      completed += 1;
      if (asked >= from) latencies.add(answered - asked);
      const nearest = new Set(load.filtered ? query.nearest.ofGroup : query.nearest.all);
      wanted += nearest.size;
      for (const id of ids)
        if (nearest.has(typeof id === "number" ? id : (numbers.get(id) ?? -1))) found += 1;
    }
  };
  await Promise.all(Array.from({ length: load.inFlight }, loop));
  const wallMs = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  agent.destroy();
  const recall = found / wanted;
  if (!(recall >= load.recallMin))
    failures.push(`recall@10 is ${recall.toFixed(4)}, below ${load.recallMin}`);
  const summary = latencies.summary();
  return {
    ...summary,
    perSecond: summary.count / load.seconds,
    loadCpu: (user + system) / 1000 / wallMs,
    completed,
    cpuUsEach: Number.NaN,
    failures,
    notes: [`recall@10 ${recall.toFixed(3)}`],
  };
}

/** One mutation after another while searches are made. */
async function mutate({ port, searches, seconds }: MutationsLoad): Promise<Measurement> {
  const agent = new http.Agent({ keepAlive: true });
  const latencies = new Latencies();
  const until = performance.now() + seconds * 1000;
  const searching = Array.from({ length: searches }, async (_, i) => {
    for (let n = i; performance.now() < until; n++) {
      const { vector } = queries[n % queries.length] as Query;
      await ask(
        agent,
        { port, path: "/api/action", name: "vectors:search" },
        { vector: [...vector], group: null },
      );
    }
  });
  for (let seq = 0; performance.now() < until; seq++) {
    const asked = performance.now();
    await ask(
      agent,
      { port, path: "/api/mutation", name: "messages:send" },
      { channel: "w9", seq, body: "hello" },
    );
    latencies.add(performance.now() - asked);
  }
  await Promise.all(searching);
  agent.destroy();
  const summary = latencies.summary();
  const rest = {
    loadCpu: Number.NaN,
    completed: summary.count,
    cpuUsEach: Number.NaN,
    failures: [],
    notes: [],
  };
  return { ...summary, ...rest, perSecond: summary.count / seconds };
}

function ask(
  agent: http.Agent,
  { port, path, name }: { readonly port: number; readonly path: string; readonly name: string },
  args: object,
): Promise<readonly (string | number)[]> {
  const body = JSON.stringify({ path: name, args, format: "json" });
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        agent,
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        headers: { "Content-Type": "application/json" },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const answer = JSON.parse(text) as { status: string; value: readonly (string | number)[] };
          if (answer.status === "success") resolve(answer.value);
          else reject(new Error(text));
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

serveCalls({
  prepare,
  named: (ids: readonly string[]) => {
    numbers = new Map(ids.map((id, number) => [id, number]));
  },
  run,
  mutate,
});
