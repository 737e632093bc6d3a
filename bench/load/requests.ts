import { serveCalls } from "../harness/calls.ts";
import { Latencies, type Measurement } from "../harness/statistics.ts";
import { connectMessage, querySetMessage, type ServerMessage, syncPath } from "./syncProtocol.ts";
import { openWebSocket, type WebSocketClient } from "./webSocket.ts";

// Load generator of W2 and W3: each client asks, waits for the answer, and asks again.

export interface RequestTarget {
  readonly protocol: "sync" | "plain";
  readonly port: number;
}

export interface RequestLoad {
  readonly target: RequestTarget;
  readonly work: "query" | "insert" | "insertSearchable";
  readonly clients: number;
  readonly channels: number;
  /** Every client asks for the same few pages again and again; otherwise for other ones each time. */
  readonly repeated: boolean;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

interface Row {
  readonly channel: string;
  readonly rand: number;
  readonly body?: string;
}

interface RequestClient {
  query(channel: string, from: number): Promise<readonly Row[]>;
  insert(row: Row, searchable: boolean): Promise<void>;
  destroy(): void;
}

export const pageRows = 10;
const repeatedPages = 8;
const failuresKept = 5;
const words =
  "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma".split(" ");

/** mulberry32: the same pages for every system. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

async function run(load: RequestLoad): Promise<Measurement> {
  const clients = await Promise.all(Array.from({ length: load.clients }, () => openClient(load.target)));
  try {
    return await drive(load, clients);
  } finally {
    for (const client of clients) client.destroy();
  }
}

async function drive(load: RequestLoad, clients: readonly RequestClient[]): Promise<Measurement> {
  const latencies = new Latencies();
  const failures: string[] = [];
  let measured = 0;
  let completed = 0;
  const begin = performance.now() + load.warmupSeconds * 1000;
  const end = begin + load.seconds * 1000;
  let cpuAtBegin: NodeJS.CpuUsage | undefined;
  setTimeout(() => (cpuAtBegin = process.cpuUsage()), begin - performance.now());
  const fail = (text: string) => {
    if (failures.length < failuresKept) failures.push(text);
  };
  const loop = async (client: RequestClient, number: number) => {
    const random = seeded(load.seed * 1000 + (load.repeated ? number % repeatedPages : number));
    let page = { channel: `c${Math.floor(random() * load.channels)}`, rand: random() };
    let last: Row | null = null;
    while (performance.now() < end && failures.length < failuresKept) {
      if (!load.repeated) page = { channel: `c${Math.floor(random() * load.channels)}`, rand: random() };
      const sent = performance.now();
      if (load.work === "query") {
        const rows = await client.query(page.channel, page.rand);
        if (!isPage(rows, page)) fail(`a wrong page: ${JSON.stringify(rows).slice(0, 200)}`);
      } else {
        const body = Array.from({ length: 10 }, () => words[Math.floor(random() * words.length)]).join(" ");
        last = { ...page, body };
        await client.insert(last, load.work === "insertSearchable");
      }
      const now = performance.now();
      completed++;
      if (now >= begin && now < end) {
        measured++;
        latencies.add(now - sent);
      }
    }
    if (last !== null && load.work === "insert") {
      const rows = await client.query(last.channel, last.rand);
      if (rows[0]?.rand !== last.rand) fail("an inserted row was not found");
    }
  };
  await Promise.all(
    clients.map((client, number) => loop(client, number).catch((error: unknown) => fail(String(error)))),
  );
  const used = process.cpuUsage(cpuAtBegin);
  const { p50Ms, p99Ms, maxMs } = latencies.summary();
  return {
    perSecond: measured / load.seconds,
    count: measured,
    p50Ms,
    p99Ms,
    maxMs,
    loadCpu: (used.user + used.system) / (load.seconds * 1e6),
    completed,
    cpuUsEach: Number.NaN,
    failures,
    notes: [],
  };
}

/** Rows of the channel from there on, in order; fewer than asked for only near the end. */
function isPage(rows: readonly Row[], { channel, rand }: Row): boolean {
  if (rows.length === 0 || rows.length > pageRows) return rows.length === 0;
  return rows.every((row, i) => row.channel === channel && row.rand >= (rows[i - 1]?.rand ?? rand));
}

async function openClient({ protocol, port }: RequestTarget): Promise<RequestClient> {
  return protocol === "sync" ? openSync(port) : openPlain(port);
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

type QueryMessage = ServerMessage & {
  readonly modifications?: readonly {
    readonly type: string;
    readonly queryId: number;
    readonly value?: unknown;
    readonly errorMessage?: string;
  }[];
};

/** The official client's messages: a page is a query that is added; the one before it is removed with the same message. */
async function openSync(port: number): Promise<RequestClient> {
  const queries = new Map<number, Waiting>();
  const mutations = new Map<number, Waiting>();
  let version = 1;
  let nextId = 0;
  const failAll = (reason: string) => {
    for (const { reject } of [...queries.values(), ...mutations.values()]) reject(new Error(reason));
  };
  let ready = () => {};
  const onMessage = (payload: Buffer) => {
    const message = JSON.parse(payload.toString()) as QueryMessage;
    switch (message.type) {
      case "Transition":
        ready();
        for (const { type, queryId, value, errorMessage } of message.modifications ?? []) {
          const waiting = queries.get(queryId);
          queries.delete(queryId);
          if (type === "QueryUpdated") waiting?.resolve(value as never);
          else if (type === "QueryFailed") waiting?.reject(new Error(errorMessage));
        }
        return;
      case "MutationResponse": {
        const waiting = mutations.get(message.requestId);
        mutations.delete(message.requestId);
        if (message.success) waiting?.resolve(undefined as never);
        else waiting?.reject(new Error(String(message.result)));
        return;
      }
      case "FatalError":
      case "AuthError":
        return failAll(message.error);
      case "Ping":
    }
  };
  const socket: WebSocketClient = await openWebSocket(port, syncPath, onMessage, failAll);
  const first = new Promise<void>((resolve) => {
    ready = resolve;
  });
  socket.send(connectMessage());
  socket.send(querySetMessage(null, []));
  await first;
  return {
    query(channel, from) {
      const queryId = nextId++;
      const add = { type: "Add", queryId, udfPath: "events:page", args: [{ channel, from }] };
      const modifications = queryId === 0 ? [add] : [{ type: "Remove", queryId: queryId - 1 }, add];
      socket.send(
        JSON.stringify({
          type: "ModifyQuerySet",
          baseVersion: version,
          newVersion: ++version,
          modifications,
        }),
      );
      return new Promise((resolve, reject) => queries.set(queryId, { resolve, reject }));
    },
    insert(row, searchable) {
      const requestId = nextId++;
      const udfPath = searchable ? "events:insertSearchable" : "events:insert";
      socket.send(JSON.stringify({ type: "Mutation", requestId, udfPath, args: [row] }));
      return new Promise((resolve, reject) => mutations.set(requestId, { resolve, reject }));
    },
    destroy: () => socket.destroy(),
  };
}

async function openPlain(port: number): Promise<RequestClient> {
  const waiting: Waiting[] = [];
  const failAll = (reason: string) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(reason));
  };
  const onMessage = (payload: Buffer) => {
    const answer = JSON.parse(payload.toString()) as {
      readonly rows?: readonly Row[];
      readonly error?: string;
    };
    const asked = waiting.shift();
    if (answer.error === undefined) asked?.resolve((answer.rows ?? []) as never);
    else asked?.reject(new Error(answer.error));
  };
  const socket = await openWebSocket(port, "/", onMessage, failAll);
  const ask = <Result>(request: object): Promise<Result> => {
    socket.send(JSON.stringify(request));
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  };
  return {
    query: (channel, from) => ask({ type: "query", channel, from }),
    insert: (row, searchable) => ask({ type: "insert", ...row, searchable }),
    destroy: () => socket.destroy(),
  };
}

serveCalls({ run });
