import type { ConvexClient, ConnectionState } from "convex/browser";
import { api } from "../../convex/_generated/api.js";
import { describeError } from "../shared/errors.ts";
import { type Connection, mergeTape } from "./model.ts";
import type { WatchStore } from "./watchStore.ts";

/** What the tape asks for; the store keeps more of what it has seen. */
const TAPE_ASKED = 60;
const MESSAGES_ASKED = 60;

/** Keeps the store up to date with the deployment. Call `close` to end all of it. */
export class Subscriptions {
  readonly #client: ConvexClient;
  readonly #store: WatchStore;
  readonly #open: (() => void)[] = [];
  #tape: (() => void) | null = null;

  constructor(client: ConvexClient, store: WatchStore, nowMs: () => number) {
    this.#client = client;
    this.#store = store;
    const failed = (error: Error) => store.notify(describeError(error), true);
    const setConnection = (state: ConnectionState) => {
      const next = connectionOf(state, store.current.connection, nowMs());
      if (next !== store.current.connection) store.update({ connection: next });
    };
    setConnection(client.connectionState());
    this.#open.push(
      client.subscribeToConnectionState(setConnection),
      client.onUpdate(
        api.prices.list,
        {},
        (prices) => {
          const newest = prices.reduce((latest, price) => Math.max(latest, price.updated_at), 0);
          store.update({ prices, lagMs: newest === 0 ? null : Math.max(0, nowMs() - newest) });
        },
        failed,
      ),
      client.onUpdate(api.market.pulse, {}, (pulse) => store.update({ pulse }), failed),
      client.onUpdate(api.market.leaders, {}, (leaders) => store.update({ leaders }), failed),
      client.onUpdate(
        api.messages.list,
        { limit: MESSAGES_ASKED },
        (messages) => store.update({ messages }),
        failed,
      ),
    );
    this.watchTape();
  }

  /** (Again) with the filters of the store. */
  watchTape(): void {
    this.#tape?.();
    const { symbol, minUsd } = this.#store.current;
    this.#store.update({ tape: [], pausedTape: null, scroll: 0 });
    this.#tape = this.#client.onUpdate(
      api.liquidations.recent,
      {
        limit: TAPE_ASKED,
        ...(symbol === null ? {} : { symbol }),
        ...(minUsd === 0 ? {} : { min_usd: minUsd }),
      },
      (found) => this.#store.update({ tape: mergeTape(this.#store.current.tape, found) }),
      (error) => this.#store.notify(describeError(error), true),
    );
  }

  close(): void {
    this.#tape?.();
    for (const end of this.#open) end();
  }
}

/** The same object while nothing has changed that a user would see. */
export function connectionOf(state: ConnectionState, before: Connection, nowMs: number): Connection {
  const status = state.isWebSocketConnected ? "live" : state.hasEverConnected ? "reconnecting" : "connecting";
  const attempts = state.isWebSocketConnected ? 0 : state.connectionRetries;
  const reconnects = Math.max(0, state.connectionCount - 1);
  if (status === before.status && attempts === before.attempts && reconnects === before.reconnects)
    return before;
  return { status, attempts, reconnects, sinceMs: status === before.status ? before.sinceMs : nowMs };
}
