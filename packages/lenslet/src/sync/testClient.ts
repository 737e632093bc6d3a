import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { WebSocket } from "ws";
import type { Authenticator } from "../auth/authenticator.ts";
import { LensletError } from "../base/errors.ts";
import type { FunctionCall, FunctionResult } from "../engine/api.ts";
import { clientMetadataBehind } from "../protocol/clientMetadata.ts";
import { decodeU64 } from "../protocol/sync.ts";
import { FakeClock, FakeEngine, fakeRandom } from "./fakeEngine.ts";
import { createSyncServer, type SyncServer } from "./server.ts";

/** Test support: a sync server on loopback over a FakeEngine, and a client that checks every rule of the wire. */

export interface Rig {
  readonly engine: FakeEngine;
  readonly clock: FakeClock;
  readonly sync: SyncServer;
  readonly http: Server;
  readonly url: string;
  readonly actions: FunctionCall[];
  readonly defects: unknown[];
  close(): Promise<void>;
}

export interface RigOptions {
  readonly redact?: boolean;
  readonly runAction?: (call: FunctionCall) => Promise<FunctionResult>;
  readonly waitingArgumentsMax?: number;
}

/** Tokens are "good:{subject}", "expires:{subject}:{ms}", "down" (provider outage); anything else is refused. */
export function fakeAuthenticator(): Authenticator {
  return {
    verifyAdminKey(key) {
      if (key === "admin") return { kind: "admin", actingAs: null };
      throw new LensletError(
        "Unauthenticated",
        "BadAdminKey",
        "The provided admin key was invalid for this instance",
      );
    },
    async verifyUserToken(token) {
      const [kind, subject = "", ms] = token.split(":");
      if (kind === "down")
        throw new LensletError("Overloaded", "AuthProviderDiscoveryFailed", "provider is down");
      if (kind !== "good" && kind !== "expires")
        throw new LensletError("Unauthenticated", "InvalidAuthHeader", "bad token");
      const attributes = { tokenIdentifier: `i|${subject}`, issuer: "i", subject };
      return { kind: "user", attributes, expiresAtMs: kind === "expires" ? Number(ms) : null };
    },
    async parseAuthorization() {
      return { kind: "anonymous" };
    },
  };
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const engine = new FakeEngine();
  const clock = new FakeClock();
  const actions: FunctionCall[] = [];
  const defects: unknown[] = [];
  const sync = createSyncServer({
    engine,
    clientMetadataOf: clientMetadataBehind("loopback")!,
    authenticator: fakeAuthenticator(),
    runAction: (call) => {
      actions.push(call);
      return options.runAction?.(call) ?? Promise.resolve({ ok: true, valueJson: '"done"', logLines: [] });
    },
    clock,
    timers: clock,
    random: fakeRandom(),
    redactErrors: options.redact ?? false,
    ...(options.waitingArgumentsMax === undefined
      ? {}
      : { waitingArgumentsMax: options.waitingArgumentsMax }),
    log: (_, error) => defects.push(error),
  });
  const http = createServer();
  http.on("upgrade", (request, socket, head) => sync.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const close = async () => {
    sync.close();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
    expect(defects).toEqual([]);
  };
  return { engine, clock, sync, http, url, actions, defects, close };
}

export type Message = Readonly<Record<string, unknown>> & { readonly type: string };
interface Version {
  readonly querySet: number;
  readonly identity: number;
  readonly ts: string;
}

/** A raw socket. It joins chunks and checks that Transitions follow one another. */
export class RawClient {
  readonly ws: WebSocket;
  readonly messages: Message[] = [];
  /** Results by query id, as an application would see them. */
  readonly results = new Map<number, Message>();
  version: Version = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
  pings = 0;
  /** Called after each Transition has been taken. */
  onTransition: () => void = () => {};
  closed: { readonly code: number; readonly reason: string } | null = null;
  readonly #chunks: string[] = [];
  readonly #waiting: { readonly until: () => boolean; readonly resolve: () => void }[] = [];

  constructor(url: string, path = "/api/1.48.0/sync", headers: Record<string, string> = {}) {
    this.ws = new WebSocket(url.replace("http", "ws") + path, { headers });
    this.ws.on("message", (data) => {
      this.#take(JSON.parse((data as Buffer).toString()) as Message);
      this.#check();
    });
    this.ws.on("ping", () => {
      this.pings++;
      this.#check();
    });
    this.ws.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#check();
    });
    this.ws.on("error", () => {});
  }

  static async open(rig: Rig, path?: string, headers?: Record<string, string>): Promise<RawClient> {
    const client = new RawClient(rig.url, path, headers);
    await new Promise<void>((resolve, reject) => {
      client.ws.once("open", resolve);
      client.ws.once("error", reject);
    });
    return client;
  }

  send(...messages: readonly unknown[]): void {
    for (const message of messages)
      this.ws.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  connect(fields: Record<string, unknown> = {}): void {
    const sessionId = "9a0c2f6e-1111-4222-8333-444455556666";
    this.send({
      type: "Connect",
      sessionId,
      connectionCount: 0,
      lastCloseReason: "InitialConnect",
      clientTs: 0,
      ...fields,
    });
  }

  modify(baseVersion: number, ...modifications: readonly unknown[]): void {
    this.send({ type: "ModifyQuerySet", baseVersion, newVersion: baseVersion + 1, modifications });
  }

  mutate(requestId: number, udfPath: string, args: unknown = {}): void {
    this.send({ type: "Mutation", requestId, udfPath, args: [args] });
  }

  get ts(): bigint {
    return decodeU64(this.version.ts) ?? -1n;
  }

  value(queryId: number): unknown {
    return this.results.get(queryId)?.["value"];
  }

  of(type: string): Message[] {
    return this.messages.filter((message) => message.type === type);
  }

  /** Resolves as soon as the condition holds after some message; fails if the socket closes first. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) =>
      this.#waiting.push({ until: () => condition() || this.closed !== null, resolve }),
    );
    if (!condition())
      throw new Error(
        `closed before: ${JSON.stringify(this.closed)} ${JSON.stringify(this.messages.at(-1))}`,
      );
  }

  async untilClosed(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until(() => this.closed !== null);
    return this.closed as NonNullable<typeof this.closed>;
  }

  #check(): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.until()) waiting.resolve();
      else this.#waiting.push(waiting);
    }
  }

  #take(message: Message): void {
    if (message.type === "TransitionChunk") {
      expect(message["partNumber"]).toBe(this.#chunks.length);
      this.#chunks.push(String(message["chunk"]));
      if (this.#chunks.length < Number(message["totalParts"])) return;
      const whole = JSON.parse(this.#chunks.splice(0).join("")) as Message;
      this.messages.push(whole);
      this.#transition(whole);
      return;
    }
    if (message.type !== "Ping") expect(this.#chunks).toEqual([]);
    this.messages.push(message);
    if (message.type === "Transition") this.#transition(message);
  }

  #transition(message: Message): void {
    expect(message["startVersion"]).toEqual(this.version);
    const before = this.ts;
    this.version = message["endVersion"] as Version;
    expect(this.ts >= before).toBe(true);
    const modifications = message["modifications"] as Message[];
    const ids = modifications.map((modification) => Number(modification["queryId"]));
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
    for (const modification of modifications) {
      const queryId = Number(modification["queryId"]);
      if (modification.type === "QueryRemoved") expect(this.results.delete(queryId)).toBe(true);
      else this.results.set(queryId, modification);
    }
    this.onTransition();
  }
}

export function add(
  queryId: number,
  udfPath: string,
  args: unknown = {},
  rest: Record<string, unknown> = {},
): Message {
  return { type: "Add", queryId, udfPath, args: [args], ...rest };
}

export function remove(queryId: number): Message {
  return { type: "Remove", queryId };
}
