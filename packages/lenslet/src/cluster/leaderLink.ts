import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import type { Timers } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import type { FunctionCall, FunctionResult, MutationCall, MutationResult } from "../engine/api.ts";
import { requestKey } from "../engine/wire.ts";
import {
  errorOfAnswer,
  mutationOfAnswer,
  type NodeAnswer,
  nodePathPrefix,
  type NodeRequest,
} from "./wire.ts";

const retryPauseMs = 100;

/** What a node is known by to the others: the origins of its API and of its HTTP actions. */
export function nodeAddress(api: string, site: string): string {
  return `${api} ${site}`;
}

export interface LeaderLinkOptions {
  /** See `nodeAddress`; null while nobody leads. */
  readonly address: () => string | null;
  readonly key: string;
  readonly timers: Timers;
  /** Resolves when this node shows all that has been made durable before the call. */
  readonly caughtUp: () => Promise<void>;
  /** Told after each answer to a session's mutation. */
  readonly answered: () => void;
}

/** A follower's way to the leader. */
export class LeaderLink {
  readonly #options: LeaderLinkOptions;
  readonly #agent = new http.Agent({ keepAlive: true });
  /** The newest mutation of each session that has one under way: they run in the order they were sent. */
  readonly #newest = new Map<string, Promise<unknown>>();
  readonly #underWay = new Set<string>();
  #closed = false;

  constructor(options: LeaderLinkOptions) {
    this.#options = options;
  }

  /** Whether none of these requests of sessions (`requestKey`) is under way from here. */
  areAnswered(requests: readonly string[]): boolean {
    return !requests.some((key) => this.#underWay.has(key));
  }

  mutation(call: MutationCall): Promise<MutationResult> {
    const { session } = call;
    if (session === undefined) return this.#mutation(call);
    const key = requestKey(session);
    this.#underWay.add(key);
    const run = () => this.#mutation(call);
    const before = this.#newest.get(session.sessionId);
    const answer = before === undefined ? run() : before.then(run, run);
    const settled = answer
      .catch(() => {})
      .then(() => {
        this.#underWay.delete(key);
        this.#options.answered();
        if (this.#newest.get(session.sessionId) === settled) this.#newest.delete(session.sessionId);
      });
    this.#newest.set(session.sessionId, settled);
    return answer;
  }

  /** A session's mutation is asked again until somebody answers: whoever leads then knows whether it has run. */
  async #mutation(call: MutationCall): Promise<MutationResult> {
    for (;;) {
      try {
        const answer = await this.#ask({ kind: "mutation", call });
        if (answer.kind !== "mutation") throw unreachable();
        return mutationOfAnswer(answer.result);
      } catch (error) {
        if (error instanceof LensletError && error.code !== "LeaderUnreachable") throw error;
        if (call.session === undefined || this.#closed) throw unreachable();
        await new Promise<void>((resolve) => this.#options.timers.setTimeout(resolve, retryPauseMs));
      }
    }
  }

  /** Once: nobody knows what an action has done whose answer is lost. */
  async action(call: FunctionCall): Promise<FunctionResult> {
    const answer = await this.#ask({ kind: "action", call });
    if (answer.kind !== "action") throw unreachable();
    await this.#options.caughtUp();
    return answer.result;
  }

  /** Passes a request on as it is; its answer is passed back when this node shows what it has done. */
  forward(request: IncomingMessage, response: ServerResponse, origin: "api" | "site"): void {
    const address = this.#address(origin);
    if (address === null) {
      refuse(response);
      return;
    }
    const outgoing = http.request(new URL(request.url ?? "/", address), {
      method: request.method ?? "GET",
      headers: { ...endToEnd(request.headers), "x-forwarded-for": forwardedFor(request) },
      agent: this.#agent,
      setHost: false,
    });
    outgoing.on("response", (answer) => {
      this.#options.caughtUp().then(
        () => {
          if (response.destroyed) return;
          response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
          pipeline(answer, response, () => {
            // Whichever side ends early takes the other one with it.
          });
        },
        () => response.destroy(),
      );
    });
    outgoing.on("error", () => (response.headersSent ? response.destroy() : refuse(response)));
    response.on("close", () => outgoing.destroy());
    request.pipe(outgoing);
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #address(origin: "api" | "site"): string | null {
    const [api, site] = this.#options.address()?.split(" ") ?? [];
    return (origin === "api" ? api : site) ?? null;
  }

  async #ask(wanted: NodeRequest): Promise<NodeAnswer> {
    const address = this.#address("api");
    if (address === null || this.#closed) throw unreachable();
    const { status, text } = await post(this.#agent, new URL(`${nodePathPrefix}${wanted.kind}`, address), {
      key: this.#options.key,
      body: JSON.stringify(wanted),
    }).catch(() => {
      throw unreachable();
    });
    // Anything else comes from a node that does not lead (any more), or is a defect there.
    if (status !== 200) throw unreachable();
    const answer = JSON.parse(text) as NodeAnswer;
    if (answer.kind === "error") throw errorOfAnswer(answer);
    return answer;
  }
}

function post(
  agent: http.Agent,
  url: URL,
  { key, body }: { readonly key: string; readonly body: string },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Lenslet ${key}`, "content-type": "application/json" };
    const request = http.request(url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
      response.on("aborted", () => reject(unreachable()));
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Headers of a connection are each connection's own. */
function endToEnd(headers: http.IncomingHttpHeaders): OutgoingHttpHeaders {
  const { connection: _connection, "keep-alive": _alive, "transfer-encoding": _encoding, ...rest } = headers;
  return rest;
}

/** As every proxy does it: where a request came from is said at the end. */
function forwardedFor({ headers, socket }: IncomingMessage): string {
  const before = headers["x-forwarded-for"];
  return [...(before === undefined ? [] : [String(before)]), socket.remoteAddress ?? "unknown"].join(", ");
}

function refuse(response: ServerResponse): void {
  if (response.destroyed) return;
  const { code, message } = unreachable();
  response.writeHead(503, { "content-type": "application/json", "retry-after": "1" });
  response.end(JSON.stringify({ code, message }));
}

function unreachable(): LensletError {
  return new LensletError(
    "Overloaded",
    "LeaderUnreachable",
    "No node leads at the moment. Another one takes over within seconds: try again.",
  );
}
