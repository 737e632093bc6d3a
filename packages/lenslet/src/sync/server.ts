import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import type { Authenticator } from "../auth/authenticator.ts";
import { assert } from "../base/assert.ts";
import type { Clock, Timers } from "../base/clock.ts";
import { LensletError } from "../base/errors.ts";
import { randomHex, type Random } from "../base/random.ts";
import type { EngineApi, EngineEvents, FunctionCall, FunctionResult } from "../engine/api.ts";
import type { ClientMetadata, ClientMetadataOf } from "../protocol/clientMetadata.ts";
import { Connection, type ConnectionHost, type Tick } from "./connection.ts";
import { TransitionEncoder } from "./frames.ts";
import * as limits from "./limits.ts";
import { LiveQueries, viewAt, type View } from "./liveQueries.ts";
import { isAwaitingTs, markChanged } from "./session.ts";
import type { QuerySlot } from "./sessionState.ts";
import { isSyncPath, parseClientVersion, refuseUpgrade, supportsChunks } from "./upgrade.ts";

export interface SyncServerOptions {
  readonly engine: EngineApi;
  readonly authenticator: Authenticator;
  /** Runs an action to its end. A rejection is told to the client as the action's failure. */
  readonly runAction: (call: FunctionCall) => Promise<FunctionResult>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Who connects, as far as that is known: it depends on the proxies that are trusted. */
  readonly clientMetadataOf: ClientMetadataOf;
  /** Clients see neither error texts nor log lines. */
  readonly redactErrors: boolean;
  /** Told of defects; never of anything a client can cause at will. */
  readonly log: (message: string, error: unknown) => void;
  /**
   * Runs a callback after everything that is already due on this thread, engine answers included: `setImmediate`, or
   * the queue of a simulation. It ends a tick: what has gathered for a socket is written then.
   */
  readonly defer?: (callback: () => void) => void;
  /** See limits.ts. */
  readonly waitingArgumentsMax?: number;
}

export interface SyncServer {
  /** For the `upgrade` event of an HTTP server; answers requests that are not for `/api/{version}/sync` with 404. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  connections(): number;
  /** Takes no new sockets, answers the mutations it has, closes every socket. Bounded by `drainMsMax`. */
  drain(): Promise<void>;
  /** Drops every socket at once. */
  close(): void;
}

export function createSyncServer(options: SyncServerOptions): SyncServer {
  return new Server(options);
}

type Published = Parameters<EngineEvents["published"]>;

class Server implements SyncServer, ConnectionHost {
  readonly engine: EngineApi;
  readonly authenticator: Authenticator;
  readonly runAction: SyncServerOptions["runAction"];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly config;
  readonly liveQueries: LiveQueries<QuerySlot>;
  readonly encoder = new TransitionEncoder();
  readonly waitingArguments;
  readonly #options: SyncServerOptions;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.messageBytesMax,
  });
  readonly #connections = new Set<Connection>();
  /** The same in equal parts, for the sweep. */
  readonly #parts = Array.from({ length: limits.sweepParts }, () => new Set<Connection>());
  #accepted = 0;
  #sweeps = 0;
  /** Connections that only a newer timestamp lets go on. */
  readonly #awaitingTs = new Set<Connection>();
  readonly #unsubscribe: () => void;
  #view: View;
  #published: Published[] = [];
  #scheduled: Connection[] = [];
  #isTickDue = false;
  #isDraining = false;
  #cancelSweep: () => void = () => {};

  constructor(options: SyncServerOptions) {
    this.#options = options;
    this.engine = options.engine;
    this.authenticator = options.authenticator;
    this.runAction = options.runAction;
    this.clock = options.clock;
    this.timers = options.timers;
    this.config = { redact: options.redactErrors, newRequestId: () => randomHex(options.random, 8) };
    this.waitingArguments = {
      length: 0,
      lengthMax: options.waitingArgumentsMax ?? limits.waitingArgumentsMax,
    };
    this.liveQueries = new LiveQueries(this.config);
    this.#view = viewAt(options.engine.latestTs());
    this.#unsubscribe = options.engine.subscribe({
      published: (ts, changed) => {
        this.#published.push([ts, changed]);
        this.#tickLater();
      },
      deploymentChanged: () => {},
      executed: () => {},
    });
    this.#sweepLater();
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const pathname = (request.url ?? "").split("?", 1)[0] ?? "";
    if (!isSyncPath(pathname)) {
      return refuseUpgrade(socket, "404 Not Found", {
        code: "NotFound",
        message: "There is no WebSocket here.",
      });
    }
    if (this.#isDraining || this.#connections.size >= limits.connectionsMax) {
      const message = "The server takes no more connections now. Try again later.";
      return refuseUpgrade(socket, "503 Service Unavailable", { code: "TooManyConcurrentRequests", message });
    }
    let withChunks: boolean;
    try {
      const header = request.headers["convex-client"];
      withChunks = supportsChunks(parseClientVersion(pathname, Array.isArray(header) ? header[0] : header));
    } catch (error) {
      if (!(error instanceof LensletError)) throw error;
      return refuseUpgrade(socket, "400 Bad Request", error);
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(
        webSocket,
        socket,
        this.#options.clientMetadataOf(request.headers, request.socket.remoteAddress),
        withChunks,
      );
    });
  }

  #accept(webSocket: WebSocket, socket: Duplex, client: ClientMetadata, withChunks: boolean): void {
    const number = this.#accepted++;
    const part = number % limits.sweepParts;
    const pingPhaseMs = (Math.floor(number / limits.sweepParts) * limits.sweepMs) % limits.transportPingMs;
    const connection = new Connection(this, webSocket, socket, client, withChunks, pingPhaseMs);
    this.#connections.add(connection);
    this.#parts[part]?.add(connection);
  }

  connections(): number {
    return this.#connections.size;
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    const deadlineMs = this.clock.monotonicMs() + limits.drainMsMax;
    while (this.#connections.size > 0 && this.clock.monotonicMs() < deadlineMs) {
      for (const connection of this.#connections) connection.drain();
      await new Promise<void>((resolve) => this.timers.setTimeout(resolve, 20));
    }
    this.close();
  }

  close(): void {
    this.#isDraining = true;
    this.#cancelSweep();
    for (const connection of this.#connections) connection.terminate();
    this.#unsubscribe();
  }

  schedule(connection: Connection): void {
    this.#scheduled.push(connection);
    this.#tickLater();
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    for (const part of this.#parts) part.delete(connection);
    this.#awaitingTs.delete(connection);
  }

  defect(error: unknown): void {
    this.#options.log("a sync connection failed", error);
  }

  #tickLater(): void {
    if (this.#isTickDue) return;
    this.#isTickDue = true;
    const run = () => this.#tick();
    if (this.#options.defer) this.#options.defer(run);
    else setImmediate(run);
  }

  /**
   * The end of a tick. Everything the engine published is applied before anybody's Transition is computed, so that each
   * shows one timestamp; answers to mutations that came before are already among the outgoing messages.
   */
  #tick(): void {
    this.#isTickDue = false;
    const published = this.#published;
    this.#published = [];
    for (const [ts, changed] of published) this.#apply(ts, changed);
    const nowMs = this.clock.nowMs();
    const tick: Tick = {
      view: this.#view,
      nowMs,
      monotonicMs: this.clock.monotonicMs(),
      serverTs: String(BigInt(Math.round(nowMs)) * 1_000_000n),
    };
    const scheduled = this.#scheduled;
    this.#scheduled = scheduled.length > limits.flushBatchMax ? scheduled.splice(limits.flushBatchMax) : [];
    for (const connection of scheduled) this.#flush(connection, tick);
    this.encoder.endTick();
    if (this.#scheduled.length > 0) this.#tickLater();
  }

  #flush(connection: Connection, tick: Tick): void {
    try {
      connection.flush(tick);
    } catch (error) {
      this.defect(error);
      connection.terminate();
    }
    if (isAwaitingTs(connection.session, tick.view)) this.#awaitingTs.add(connection);
  }

  #apply(...[ts, changed]: Published): void {
    assert(ts >= this.#view.ts, "published timestamps increase");
    this.#view = viewAt(ts);
    for (const { id, state } of changed) {
      const entry = this.liveQueries.publish(id, state);
      if (!entry) continue;
      for (const slot of entry.watchers) {
        markChanged(slot.session, slot);
        slot.session.owner.wake();
      }
    }
    for (const connection of this.#awaitingTs) connection.wake();
    this.#awaitingTs.clear();
  }

  #sweepLater(): void {
    this.#cancelSweep = this.timers.setTimeout(() => {
      this.#sweepLater();
      const monotonicMs = this.clock.monotonicMs();
      const part = this.#parts[this.#sweeps++ % limits.sweepParts] ?? [];
      for (const connection of part) connection.sweep(this.#view, monotonicMs);
    }, limits.sweepMs / limits.sweepParts);
  }
}
