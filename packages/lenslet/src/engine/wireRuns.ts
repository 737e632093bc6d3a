import type { CommitTs } from "../log/log.ts";
import type { FunctionCall, Identity, MutationCall, MutationResult } from "./api.ts";
import type { CallSeq, EngineIn, EngineOut, EngineOutBatch } from "./wire.ts";

/*
 * What crosses between the two threads is cloned, and cloning a call of twenty fields costs as much as a good part of
 * running it. So runs of calls and of answers that follow each other travel as columns: what they share once, what
 * differs as arrays of numbers and texts. Nothing else changes: the order stays, and what is unusual travels as it is.
 */

interface CallRun {
  readonly type: "calls";
  readonly paths: readonly string[];
  readonly identities: readonly Identity[];
  readonly clients: readonly (FunctionCall["client"] | null)[];
  readonly sessionIds: readonly (string | null)[];
  /** Rows of `callColumns` numbers. */
  readonly numbers: readonly number[];
  /** Rows of two: arguments and request id. */
  readonly texts: readonly string[];
}

/** seq, bits (1: a mutation, 2: by HTTP), positions in paths, identities, clients and sessionIds, the session's request id. */
const callColumns = 7;

interface AnswerRun {
  readonly type: "answers";
  readonly seqs: readonly CallSeq[];
  readonly values: readonly string[];
  readonly ts: BigInt64Array;
}

export type PackedIn = EngineIn | CallRun;
export type PackedOut = EngineOut | AnswerRun;
export interface PackedOutBatch {
  readonly gateTs: CommitTs;
  readonly messages: readonly PackedOut[];
  readonly answered?: readonly string[];
}

/** Positions of what has been seen, by identity: equal objects may be listed twice. */
class Listed<T> {
  readonly items: T[] = [];
  readonly #positions = new Map<T, number>();
  at(item: T): number {
    let position = this.#positions.get(item);
    if (position === undefined) {
      position = this.items.push(item) - 1;
      this.#positions.set(item, position);
    }
    return position;
  }
}

const callers = ["SyncWorker", "HttpApi"] as const;

const columnFields: ReadonlySet<string> = new Set(
  "target argsJson identity caller requestId client session".split(" "),
);

/** Queries and mutations of clients, by path in the app, with no field that has no column. */
function isUsual(message: EngineIn): message is EngineIn & { readonly type: "call" } {
  if (message.type !== "call" || message.condemned !== undefined || message.files !== undefined) return false;
  const { request } = message;
  if (request.type !== "mutation" && request.type !== "query") return false;
  const { call } = request;
  for (const field in call) if (!columnFields.has(field)) return false;
  const { target, caller } = call;
  return (
    target.kind === "path" && target.componentPath === "" && (caller === "SyncWorker" || caller === "HttpApi")
  );
}

export function packIn(messages: readonly EngineIn[]): readonly PackedIn[] {
  if (messages.length === 1) return messages;
  const packed: PackedIn[] = [];
  for (let i = 0; i < messages.length;) {
    let end = i;
    while (end < messages.length && isUsual(messages[end] as EngineIn)) end++;
    if (end - i > 1) packed.push(callRun(messages.slice(i, end)));
    else packed.push(messages[i] as EngineIn);
    i = Math.max(end, i + 1);
  }
  return packed;
}

function callRun(messages: readonly EngineIn[]): CallRun {
  const paths = new Listed<string>();
  const identities = new Listed<Identity>();
  const clients = new Listed<FunctionCall["client"] | null>();
  const sessionIds = new Listed<string | null>();
  const numbers: number[] = [];
  const texts: string[] = [];
  for (const message of messages) {
    if (message.type !== "call" || (message.request.type !== "mutation" && message.request.type !== "query"))
      continue;
    const { type } = message.request;
    const call: MutationCall = message.request.call;
    const path = call.target.kind === "path" ? call.target.path : "";
    numbers.push(
      message.seq,
      (type === "mutation" ? 1 : 0) + 2 * (call.caller === "HttpApi" ? 1 : 0),
      paths.at(path),
      identities.at(call.identity),
      clients.at(call.client ?? null),
      sessionIds.at(call.session?.sessionId ?? null),
      call.session?.requestId ?? 0,
    );
    texts.push(call.argsJson, call.requestId);
  }
  return {
    type: "calls",
    paths: paths.items,
    identities: identities.items,
    clients: clients.items,
    sessionIds: sessionIds.items,
    numbers,
    texts,
  };
}

export function unpackIn(packed: readonly PackedIn[]): readonly EngineIn[] {
  const messages: EngineIn[] = [];
  for (const item of packed) {
    if (item.type === "calls") unpackCalls(item, messages);
    else messages.push(item);
  }
  return messages;
}

function unpackCalls(run: CallRun, messages: EngineIn[]): void {
  const { paths, identities, clients, sessionIds, numbers, texts } = run;
  const targets = paths.map((path) => ({ kind: "path" as const, path, componentPath: "" }));
  for (let at = 0, text = 0; at < numbers.length; at += callColumns, text += 2) {
    const column = (n: number): number => numbers[at + n] as number;
    const bits = column(1);
    const client = clients[column(4)] ?? null;
    const sessionId = sessionIds[column(5)] ?? null;
    const call: MutationCall = {
      target: targets[column(2)] as (typeof targets)[number],
      argsJson: texts[text] as string,
      identity: identities[column(3)] as Identity,
      caller: callers[bits >> 1] as (typeof callers)[number],
      requestId: texts[text + 1] as string,
      ...(client === null ? {} : { client }),
      ...(sessionId === null ? {} : { session: { sessionId, requestId: column(6) } }),
    };
    messages.push({
      type: "call",
      seq: column(0),
      request: { type: (bits & 1) === 1 ? "mutation" : "query", call },
    });
  }
}

/** A mutation's success that logged nothing. */
function usualAnswer(message: EngineOut): (MutationResult & { readonly ok: true }) | null {
  if (message.type !== "answer" || typeof message.value !== "object" || message.value === null) return null;
  const value = message.value as MutationResult;
  const isUsual =
    value.ok && Array.isArray(value.logLines) && value.logLines.length === 0 && !("journal" in value);
  return isUsual && typeof value.ts === "bigint" && typeof value.valueJson === "string" ? value : null;
}

export function packOut({ messages, ...rest }: EngineOutBatch): PackedOutBatch {
  const packed: PackedOut[] = [];
  for (let i = 0; i < messages.length;) {
    const seqs: CallSeq[] = [];
    const values: string[] = [];
    const ts: bigint[] = [];
    for (let next = i; next < messages.length; next++) {
      const message = messages[next] as EngineOut;
      const value = usualAnswer(message);
      if (value === null || message.type !== "answer") break;
      seqs.push(message.seq);
      values.push(value.valueJson);
      ts.push(value.ts as bigint);
    }
    if (seqs.length > 1) packed.push({ type: "answers", seqs, values, ts: BigInt64Array.from(ts) });
    else packed.push(messages[i] as EngineOut);
    i += Math.max(seqs.length, 1);
  }
  return { ...rest, messages: packed };
}

export function unpackOut({ messages, ...rest }: PackedOutBatch): EngineOutBatch {
  const unpacked: EngineOut[] = [];
  for (const item of messages) {
    if (item.type !== "answers") {
      unpacked.push(item);
      continue;
    }
    for (const [i, seq] of item.seqs.entries()) {
      const value: MutationResult = {
        ok: true,
        valueJson: item.values[i] as string,
        logLines: [],
        ts: item.ts[i] as bigint,
      };
      unpacked.push({ type: "answer", seq, value });
    }
  }
  return { ...rest, messages: unpacked };
}
