import type { IncomingMessage, ServerResponse } from "node:http";
import type { EngineApi, FunctionCall, FunctionResult } from "../engine/api.ts";
import {
  answerOfError,
  answerOfMutation,
  isNodeKey,
  type NodeAnswer,
  nodePathPrefix,
  type NodeRequest,
} from "./wire.ts";

/** A call with its arguments, whose own limit is far below. */
const requestBytesMax = 64 * 1024 * 1024;

export interface LeaderRoutesOptions {
  readonly engine: EngineApi;
  readonly runAction: (call: FunctionCall) => Promise<FunctionResult>;
  readonly key: string;
  readonly onUnexpectedError: (error: unknown) => void;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** The leader's side: answers followers, and lets everybody else through to `others`. */
export function leaderRoutes(options: LeaderRoutesOptions, others: Listener): Listener {
  return (request, response) => {
    if (
      request.url?.startsWith(nodePathPrefix) === true &&
      isNodeKey(request.headers.authorization, options.key)
    )
      void answer(options, request, response);
    else others(request, response);
  };
}

async function answer(
  options: LeaderRoutesOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const wanted = JSON.parse(await bodyOf(request)) as NodeRequest;
    send(response, 200, await run(options, wanted));
  } catch (error) {
    const told = answerOfError(error);
    if (told === null) options.onUnexpectedError(error);
    send(response, told === null ? 500 : 200, told);
  }
}

async function run({ engine, runAction }: LeaderRoutesOptions, wanted: NodeRequest): Promise<NodeAnswer> {
  if (wanted.kind === "mutation") return answerOfMutation(await engine.mutation(wanted.call));
  return { kind: "action", result: await runAction(wanted.call) };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > requestBytesMax) throw new Error("a node has sent too large a request");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, status: number, body: NodeAnswer | null): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
