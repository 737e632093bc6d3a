import { serveCalls } from "../harness/calls.ts";
import { Latencies, type Measurement } from "../harness/statistics.ts";
import { connectMessage, querySetMessage, syncPath } from "./syncProtocol.ts";
import { openWebSocket, type WebSocketClient } from "./webSocket.ts";

// Load generator of W4 and W5: one writer, and subscribers that wait for what it writes. Both ends are in this
// process, so that one clock times them.

export interface MessagesTarget {
  /** "sync": the sync protocol, a live query of the newest rows; "plain": JSON frames of one row each. */
  readonly protocol: "sync" | "plain";
  readonly port: number;
  readonly subscribers: number;
  /** Live queries of other channels, each of its own, that no write concerns. */
  readonly bystanders: number;
  /** How many subscribers are being connected at any time. */
  readonly openAtOnce?: number;
}

export interface MessagesLoad {
  /** Writes per second, each at its own time whatever became of the earlier ones; null: as fast as `inFlight` allows. */
  readonly rate: number | null;
  readonly inFlight: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

const channel = "bench";
/** About the length of a chat message. */
const body = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.";
const openAtOnceDefault = 100;
const bystandersPerSocket = 100;
const drainMsMax = 20_000;
const failuresKept = 10;
/** Every n-th subscriber's results are read in full: their rows must be consecutive, newest first. */
const sampleEvery = 100;
/** A write this late against its timetable counts from the timetable: the load generator must not hide waiting. */
const lateMsMax = 5;

const seqKey = Buffer.from('"seq":');
const failureMark = Buffer.from('"success":false');
const fatalMark = Buffer.from('"FatalError"');
const pingMark = Buffer.from('"Ping"');

interface Session {
  readonly target: MessagesTarget;
  readonly subscribers: WebSocketClient[];
  readonly bystanders: WebSocketClient[];
  readonly writer: WebSocketClient;
  nextSeq: number;
  frames: number;
  frameBytes: number;
  readonly failures: string[];
  /** Called for each row that a subscriber sees for the first time. */
  seen: (seq: number) => void;
}

let session: Session | null = null;
/** Rows stay in the store from one session to the next: their numbers must go on. */
let lastSeq = 0;

async function connect(target: MessagesTarget): Promise<void> {
  if (session !== null) throw new Error("still connected");
  const failures: string[] = [];
  const writer = await openWriter(target, failures);
  const opened: Session = {
    target,
    subscribers: [],
    bystanders: [],
    writer,
    nextSeq: lastSeq + 1,
    frames: 0,
    frameBytes: 0,
    failures,
    seen: () => {},
  };
  session = opened;
  for (let first = 0; first < target.bystanders; first += bystandersPerSocket) {
    const count = Math.min(bystandersPerSocket, target.bystanders - first);
    const channels = Array.from({ length: count }, (_, offset) => `other ${first + offset}`);
    opened.bystanders.push(await standBy(opened, channels));
  }
  let next = 0;
  const openOneByOne = async () => {
    while (next < target.subscribers) opened.subscribers.push(await subscribe(opened, next++));
  };
  await Promise.all(Array.from({ length: target.openAtOnce ?? openAtOnceDefault }, openOneByOne));
}

function fail(failures: string[], failure: string): void {
  if (failures.length < failuresKept) failures.push(failure);
}

/** Resolves when the first answer has come: from then on every later row reaches the subscriber. */
async function subscribe(of: Session, number: number): Promise<WebSocketClient> {
  const { target } = of;
  const sync = target.protocol === "sync";
  const sampled = number % sampleEvery === 0;
  let ready = () => {};
  const first = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let answered = false;
  let newest = lastSeq;
  const onMessage = (payload: Buffer) => {
    const at = payload.indexOf(seqKey);
    if (!answered) {
      if (payload.includes(fatalMark)) fail(of.failures, payload.toString());
      answered = true;
      ready();
      return;
    }
    if (at < 0) return;
    of.frames++;
    of.frameBytes += payload.length;
    const seq = readNumber(payload, at + seqKey.length);
    if (sync) {
      // A live query shows a state: one with row n also shows that all rows before n have been written.
      if (sampled) checkWindow(of, payload);
      for (let row = newest + 1; row <= seq; row++) of.seen(row);
      if (seq < newest) fail(of.failures, `a result went back from row ${newest} to ${seq}`);
    } else of.seen(seq);
    if (seq > newest) newest = seq;
  };
  const socket = await openWebSocket(target.port, sync ? syncPath : "/", onMessage, (reason) => {
    fail(of.failures, `a subscriber's socket closed: ${reason}`);
    ready();
  });
  if (sync) {
    socket.send(connectMessage());
    socket.send(querySetMessage("messages:latest", [{ channel }]));
  } else socket.send(JSON.stringify({ type: "subscribe", channel }));
  await first;
  return socket;
}

/** A socket that watches channels nobody writes to. Whatever it is sent after its first answers is a failure. */
async function standBy(of: Session, channels: readonly string[]): Promise<WebSocketClient> {
  const sync = of.target.protocol === "sync";
  const answers = sync ? 1 : channels.length;
  let answered = 0;
  let ready = () => {};
  const all = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const onMessage = (payload: Buffer) => {
    if (payload.includes(pingMark)) return;
    if (payload.includes(fatalMark)) fail(of.failures, payload.toString());
    if (answered === answers) fail(of.failures, `a bystander was sent ${payload.toString("utf8", 0, 200)}`);
    else if (++answered === answers) ready();
  };
  const socket = await openWebSocket(of.target.port, sync ? syncPath : "/", onMessage, (reason) => {
    fail(of.failures, `a bystander's socket closed: ${reason}`);
    ready();
  });
  if (sync) {
    socket.send(connectMessage());
    socket.send(
      querySetMessage(
        "messages:latest",
        channels.map((each) => ({ channel: each })),
      ),
    );
  } else {
    for (const each of channels) socket.send(JSON.stringify({ type: "subscribe", channel: each }));
  }
  await all;
  return socket;
}

async function openWriter(target: MessagesTarget, failures: string[]): Promise<WebSocketClient> {
  const sync = target.protocol === "sync";
  const writer = await openWebSocket(
    target.port,
    sync ? syncPath : "/",
    (payload) => {
      if (payload.includes(failureMark) || payload.includes(fatalMark)) fail(failures, payload.toString());
    },
    (reason) => fail(failures, `the writer's socket closed: ${reason}`),
  );
  if (sync) {
    writer.send(connectMessage());
    writer.send(querySetMessage(null, []));
  }
  return writer;
}

function readNumber(bytes: Buffer, at: number): number {
  let number = 0;
  for (let position = at; position < bytes.length; position++) {
    const digit = (bytes[position] ?? 0) - 48;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
  }
  return number;
}

function checkWindow(of: Session, payload: Buffer): void {
  const seqs = [...payload.toString("latin1").matchAll(/"seq":(\d+)/g)]
    .map((match) => Number(match[1]))
    // Between this session's rows and older ones there may be a gap: other systems got the numbers in it.
    .filter((seq) => seq > lastSeq);
  for (let at = 1; at < seqs.length; at++) {
    if (seqs[at] !== (seqs[at - 1] ?? 0) - 1)
      return fail(of.failures, `rows are not consecutive: ${seqs.join(" ")}`);
  }
}

function write(to: Session, seq: number): void {
  if (to.target.protocol === "plain") {
    to.writer.send(JSON.stringify({ type: "insert", channel, seq, body }));
    return;
  }
  // Request ids start at 0 with each session; sequence numbers do not.
  to.writer.send(
    `{"type":"Mutation","requestId":${seq - lastSeq - 1},"udfPath":"messages:send","args":[{"channel":"${channel}","seq":${seq},"body":"${body}"}]}`,
  );
}

export interface MessagesResult extends Measurement {
  /** Mean payload of the frames that subscribers got. */
  readonly frameBytes: number;
  /** Rows that some subscriber had not seen in the end: reconnect before the next run. */
  readonly unseen: number;
}

function run(load: MessagesLoad): Promise<MessagesResult> {
  const current = session;
  if (current === null) throw new Error("not connected");
  const subscribers = current.subscribers.length;
  const failuresBefore = current.failures.length;
  const framesBefore = current.frames;
  const bytesBefore = current.frameBytes;
  const cpuBefore = process.cpuUsage();
  const firstSeq = current.nextSeq;
  const starts: number[] = [];
  const remaining: number[] = [];
  const latencies = new Latencies();
  const begun = performance.now();
  const begin = begun + load.warmupSeconds * 1000;
  const end = begin + load.seconds * 1000;
  let unseen = 0;
  let measured = 0;

  const writeNext = (startMs: number) => {
    starts.push(startMs);
    remaining.push(subscribers);
    unseen++;
    write(current, current.nextSeq++);
  };
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    let writing = true;
    const finish = () => {
      clearTimeout(timer);
      current.seen = () => {};
      const used = process.cpuUsage(cpuBefore);
      const elapsedMs = performance.now() - begun;
      const failures = current.failures.slice(failuresBefore);
      if (unseen > 0)
        failures.push(`${unseen} of ${starts.length} rows were not seen by all within ${drainMsMax} ms`);
      const expected = starts.length * subscribers;
      const frames = current.frames - framesBefore;
      const { p50Ms, p99Ms, maxMs } = latencies.summary();
      resolve({
        perSecond: measured / load.seconds,
        count: latencies.count,
        p50Ms: unseen > 0 ? Number.POSITIVE_INFINITY : p50Ms,
        p99Ms: unseen > 0 ? Number.POSITIVE_INFINITY : p99Ms,
        maxMs,
        loadCpu: (used.user + used.system) / (elapsedMs * 1000),
        completed: starts.length,
        cpuUsEach: Number.NaN,
        failures,
        frameBytes: Math.round((current.frameBytes - bytesBefore) / Math.max(1, frames)),
        unseen,
        notes:
          frames < expected ? [`${((1 - frames / expected) * 100).toFixed(0)}% of frames coalesced`] : [],
      });
    };
    current.seen = (seq) => {
      const index = seq - firstSeq;
      const left = (remaining[index] ?? Number.NaN) - 1;
      remaining[index] = left;
      if (left !== 0) {
        if (left < 0) fail(current.failures, `row ${seq} was delivered more than once`);
        return;
      }
      unseen--;
      const now = performance.now();
      const start = starts[index] ?? now;
      if (start >= begin && start < end) latencies.add(now - start);
      if (now >= begin && now < end) measured++;
      if (!writing) {
        if (unseen === 0) finish();
      } else if (load.rate === null && now < end) writeNext(now);
    };
    const stopWriting = () => {
      writing = false;
      if (unseen === 0) finish();
      else timer = setTimeout(finish, drainMsMax);
    };
    if (load.rate === null) {
      for (let slot = 0; slot < load.inFlight; slot++) writeNext(performance.now());
      setTimeout(stopWriting, end - begun);
      return;
    }
    const gapMs = 1000 / load.rate;
    let due = begun;
    const tick = () => {
      let now = performance.now();
      for (; due <= now && due < end; due += gapMs) {
        writeNext(now - due > lateMsMax ? due : now);
        now = performance.now();
      }
      if (due >= end) setTimeout(stopWriting, Math.max(0, end - performance.now()));
      else setTimeout(tick, Math.max(0, due - performance.now()));
    };
    tick();
  });
}

function disconnect(): void {
  if (session === null) return;
  const closing = session;
  session = null;
  lastSeq = closing.nextSeq - 1;
  closing.writer.destroy();
  for (const socket of [...closing.subscribers, ...closing.bystanders]) socket.destroy();
}

serveCalls({ connect, run, disconnect });
