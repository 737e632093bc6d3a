import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Clock, Timers } from "../base/clock.ts";
import type { EngineApi, FunctionCall, FunctionResult, Identity } from "../engine/api.ts";
import type { ClientMetadata } from "../protocol/clientMetadata.ts";
import { invalidMessage, parseClientMessage, type AuthenticateMessage } from "../protocol/sync.ts";
import { pingText } from "../protocol/syncServer.ts";
import { internalEnding, type Ending } from "./endings.ts";
import { pingFrame, wireBuffers, type Outgoing, type TransitionEncoder } from "./frames.ts";
import * as limits from "./limits.ts";
import type { LiveQueries, View } from "./liveQueries.ts";
import { flush, retryOpen, step, takeAnsweredBatches } from "./session.ts";
import { newSession, type Effect, type OpenTicket } from "./sessionState.ts";
import type { QuerySlot, Session, SessionConfig, SessionEvent, SessionOwner } from "./sessionState.ts";

/** What a connection needs of the server it belongs to. */
export interface ConnectionHost {
  readonly engine: EngineApi;
  readonly authenticator: Authenticator;
  readonly runAction: (call: FunctionCall) => Promise<FunctionResult>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly config: SessionConfig;
  readonly liveQueries: LiveQueries<QuerySlot>;
  readonly encoder: TransitionEncoder;
  /** Length of the arguments of all mutations and actions under way, of every connection. */
  readonly waitingArguments: { length: number; readonly lengthMax: number };
  /** Calls `connection.flush` at the end of the tick. */
  schedule(connection: Connection): void;
  closed(connection: Connection): void;
  defect(error: unknown): void;
}

/** When the tick ends: one clock reading for everybody. */
export interface Tick {
  readonly view: View;
  readonly nowMs: number;
  readonly monotonicMs: number;
  /** Nanoseconds since the epoch. */
  readonly serverTs: string;
}

/**
 * The thin shell around one socket: performs the effects of its session, writes at most once per tick, and watches over
 * pings and back-pressure. Control frames and the handshake are left to `ws`; data frames are written to the underlying
 * socket directly, so that many connections can share one buffer. (There is no compression, hence nothing that `ws` could
 * hold back: its frames and ours never interleave.)
 */
export class Connection implements SessionOwner {
  readonly session: Session;
  readonly supportsChunks: boolean;
  readonly #host: ConnectionHost;
  readonly #ws: WebSocket;
  readonly #socket: Duplex & { readonly bytesWritten?: number };
  #outgoing: Outgoing[] = [];
  #isScheduled = false;
  #isPaused = false;
  #isDraining = false;
  /** A Transition is held back until the socket has taken the earlier ones. */
  #isBlocked = false;
  #transitionsUnsent = 0;
  #receivedMs: number;
  #sentMs: number;
  #pingedMs: number;
  #endedMs: number | null = null;
  /** Bytes taken by the kernel, and since when that number has not moved. */
  #taken = 0;
  #takenMs: number;

  /** `pingPhaseMs`: how much earlier than usual the first ping is due. */
  constructor(
    host: ConnectionHost,
    ws: WebSocket,
    socket: Duplex,
    client: ClientMetadata,
    supportsChunks: boolean,
    pingPhaseMs: number,
  ) {
    this.#host = host;
    this.#ws = ws;
    this.#socket = socket;
    this.supportsChunks = supportsChunks;
    this.session = newSession(this, host.config, client);
    const nowMs = host.clock.monotonicMs();
    this.#receivedMs = this.#sentMs = this.#takenMs = nowMs;
    this.#pingedMs = nowMs - pingPhaseMs;
    ws.on("message", (data, isBinary) => this.#receive(data, isBinary));
    ws.on("pong", () => this.#heard());
    ws.on("ping", () => this.#heard());
    // `ws` closes by itself after a protocol error (too large a frame, bad UTF-8, ...): `close` follows.
    ws.on("error", () => {});
    ws.on("close", () => this.#gone());
    socket.on("drain", this.#drained);
  }

  get clockSkewMs(): number | null {
    return this.session.clockSkewMs;
  }

  wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#host.schedule(this);
  }

  /** Writes everything this tick has for the client. */
  flush(tick: Tick): void {
    this.#isScheduled = false;
    if (this.#endedMs !== null) return;
    if (this.session.batches.length > 0) {
      for (const effect of takeAnsweredBatches(this.session)) this.#perform(effect);
    }
    if (this.#socket.writableLength === 0) this.#transitionsUnsent = 0;
    this.#isBlocked = this.#transitionsUnsent >= limits.transitionsUnsentMax;
    const next = this.#isBlocked ? null : flush(this.session, tick.view, tick.nowMs);
    if (next?.type === "end") {
      this.end(next);
      return;
    }
    if (next) {
      this.#transitionsUnsent++;
      const frame = this.#host.encoder.sharedFrame(next);
      if (frame && this.#outgoing.length === 0) {
        this.#writeBuffers(null, frame, tick.monotonicMs);
        return;
      }
      if (frame) this.#outgoing.push(frame);
      else this.#host.encoder.encode(next, this, tick.serverTs, this.#outgoing);
    }
    if (this.#outgoing.length > 0) this.#write(tick.monotonicMs);
  }

  /** Once a second: pings, time limits. */
  sweep(view: View, monotonicMs: number): void {
    const since = (ms: number) => monotonicMs - ms;
    if (this.#endedMs !== null) {
      if (since(this.#endedMs) >= limits.closeHandshakeMsMax) this.#ws.terminate();
      return;
    }
    const { session } = this;
    if (since(this.#receivedMs) >= limits.silenceMsMax) return this.end(closing(1000, "ClientDisconnect"));
    if (this.#isStalled(monotonicMs)) return this.terminate();
    if (session.mutationsPending > 0 && since(session.mutationProgressMs) >= limits.mutationMsMax) {
      return this.end(closing(1013, "SystemTimeoutError"));
    }
    if (view.ts < session.observedTs && since(session.connectedMs) >= limits.observedTsWaitMsMax) {
      return this.end(internalEnding);
    }
    if (since(this.#pingedMs) >= limits.transportPingMs) {
      this.#pingedMs = monotonicMs;
      if (this.#socket.writableLength === 0) this.#socket.write(pingFrame);
    }
    if (since(this.#sentMs) >= limits.applicationPingMs) {
      this.#outgoing.push(pingText);
      this.wake();
    }
  }

  /** Takes nothing more from the client; ends as soon as its mutations are answered. */
  drain(): void {
    if (this.#endedMs !== null) return;
    this.#isDraining = true;
    this.#pauseOrResume();
    if (this.session.mutationsPending === 0) this.end(closing(1001, "ServerDraining"));
  }

  end(ending: Ending): void {
    if (this.#endedMs !== null) return;
    if (ending.text !== null) this.#outgoing.push(ending.text);
    const monotonicMs = this.#host.clock.monotonicMs();
    if (this.#outgoing.length > 0) this.#write(monotonicMs);
    this.#endedMs = monotonicMs;
    // Reading goes on for the client's close frame.
    this.#ws.resume();
    if (ending.code === null) this.#ws.close();
    else this.#ws.close(ending.code, ending.reason);
    this.#dispatch({ type: "closed" });
  }

  terminate(): void {
    this.#ws.terminate();
  }

  #heard(): void {
    this.#receivedMs = this.#host.clock.monotonicMs();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#endedMs !== null) return;
    this.#heard();
    const { clock } = this.#host;
    try {
      if (isBinary) throw invalidMessage("expected a text frame");
      // `ws` hands over a Buffer unless its binaryType is changed.
      const message = parseClientMessage((data as Buffer).toString("utf8"));
      this.#dispatch({ type: "message", message, nowMs: clock.nowMs(), monotonicMs: this.#receivedMs });
    } catch (error) {
      this.#dispatch({ type: "garbage", error });
    }
    this.#pauseOrResume();
  }

  #gone(): void {
    this.#endedMs ??= this.#host.clock.monotonicMs();
    this.#dispatch({ type: "closed" });
    this.#outgoing = [];
    this.#host.closed(this);
  }

  #dispatch(event: SessionEvent): void {
    try {
      for (const effect of step(this.session, event)) this.#perform(effect);
      this.wake();
    } catch (error) {
      this.#host.defect(error);
      this.end(internalEnding);
    }
  }

  #perform(effect: Effect): void {
    const { engine, liveQueries, runAction, clock, timers } = this.#host;
    switch (effect.type) {
      case "send":
        this.#outgoing.push(effect.text);
        return;
      case "open":
        liveQueries.openStarted();
        engine
          .openQuery(effect.call)
          .then(
            (opened) => {
              if (effect.ticket.abandoned) engine.closeQuery(opened.id);
              else this.#dispatch({ type: "opened", ticket: effect.ticket, live: liveQueries.adopt(opened) });
            },
            (error: unknown) => this.#dispatch({ type: "openFailed", ticket: effect.ticket, error }),
          )
          .finally(() => liveQueries.openEnded());
        return;
      case "openLater":
        timers.setTimeout(() => this.#retry(effect.ticket), effect.delayMs);
        return;
      case "closeQuery":
        engine.closeQuery(effect.live.id);
        if (effect.slot.live !== effect.live) liveQueries.unwatch(effect.live, effect.slot);
        return;
      case "mutate": {
        const { requestId, call } = effect;
        if (!this.#takes(call)) return;
        engine.mutation(call).then(
          (result) => {
            const monotonicMs = clock.monotonicMs();
            this.#answered(call, { type: "mutationAnswered", requestId, call, result, monotonicMs });
          },
          (error: unknown) => {
            const monotonicMs = clock.monotonicMs();
            this.#answered(call, { type: "mutationFailed", requestId, call, error, monotonicMs });
          },
        );
        return;
      }
      case "act": {
        const { requestId, call } = effect;
        if (!this.#takes(call)) return;
        runAction(call).then(
          (result) => this.#answered(call, { type: "actionAnswered", requestId, call, result }),
          (error: unknown) => this.#answered(call, { type: "actionFailed", requestId, call, error }),
        );
        return;
      }
      case "verify":
        this.#verify(effect.message).then(
          (identity) => {
            const nowMs = clock.nowMs();
            this.#dispatch({ type: "authenticated", identity, nowMs, monotonicMs: clock.monotonicMs() });
            this.#pauseOrResume();
          },
          (error: unknown) => this.#dispatch({ type: "authenticationFailed", error }),
        );
        return;
      case "end":
        this.end(effect);
        return;
    }
  }

  /** False: the server holds so much already that the client is sent away with it. */
  #takes({ argsJson }: FunctionCall): boolean {
    const { waitingArguments } = this.#host;
    if (waitingArguments.length + argsJson.length > waitingArguments.lengthMax) {
      this.end(closing(1013, "TooManyRequestBytes"));
      return false;
    }
    waitingArguments.length += argsJson.length;
    return true;
  }

  #answered({ argsJson }: FunctionCall, event: SessionEvent): void {
    this.#host.waitingArguments.length -= argsJson.length;
    this.#dispatch(event);
  }

  async #verify(message: AuthenticateMessage & { tokenType: "User" | "Admin" }): Promise<Identity> {
    const { authenticator } = this.#host;
    if (message.tokenType === "User") return authenticator.verifyUserToken(message.value);
    const identity = authenticator.verifyAdminKey(message.value);
    return message.actingAs ? { kind: "admin", actingAs: message.actingAs } : identity;
  }

  #retry(ticket: OpenTicket): void {
    const effect = retryOpen(ticket);
    if (effect) this.#perform(effect);
  }

  #write(monotonicMs: number): void {
    const buffers = wireBuffers(this.#outgoing);
    this.#outgoing.length = 0;
    const last = buffers.pop();
    if (last) this.#writeBuffers(buffers, last, monotonicMs);
  }

  #writeBuffers(earlier: readonly Buffer[] | null, last: Buffer, monotonicMs: number): void {
    const socket = this.#socket;
    const wasWaiting = socket.writableLength > 0;
    if (!wasWaiting) this.#takenMs = monotonicMs;
    const isSeveral = earlier !== null && earlier.length > 0;
    if (isSeveral) {
      socket.cork();
      for (const buffer of earlier) socket.write(buffer);
    }
    // Only a socket that already has bytes waiting can become blocked, so only then a callback is paid for.
    if (wasWaiting) socket.write(last, this.#drained);
    else socket.write(last);
    if (isSeveral) socket.uncork();
    this.#sentMs = monotonicMs;
    this.#pauseOrResume();
  }

  readonly #drained = (): void => {
    if (this.#endedMs !== null) return;
    this.#pauseOrResume();
    if (!this.#isBlocked) return;
    this.#transitionsUnsent = 0;
    this.wake();
  };

  /** Nothing is read from a client whose answers pile up, or whose messages wait for its token. */
  #pauseOrResume(): void {
    const isTooFull = this.#socket.writableLength > limits.sendHighWaterBytes;
    const shouldPause = isTooFull || this.session.verifying || this.#isDraining;
    if (shouldPause === this.#isPaused || this.#endedMs !== null) return;
    this.#isPaused = shouldPause;
    if (shouldPause) this.#ws.pause();
    else this.#ws.resume();
  }

  #isStalled(monotonicMs: number): boolean {
    const waiting = this.#socket.writableLength;
    if (waiting === 0) return false;
    const taken = (this.#socket.bytesWritten ?? 0) - waiting;
    if (taken !== this.#taken) {
      this.#taken = taken;
      this.#takenMs = monotonicMs;
    }
    return monotonicMs - this.#takenMs >= limits.stalledWriteMsMax;
  }
}

function closing(code: number, reason: string): Ending {
  return { type: "end", text: null, code, reason };
}
