import { expect } from "vitest";
import type { TestServer } from "../../../conformance/support/server.ts";
import { until } from "../../../conformance/support/until.ts";
import { checkHistory, History } from "../crash/history.ts";
import { accountNames, addBySession, readLedger, watchingClient } from "../crash/rig.ts";
import type { SyncClient } from "../crash/syncClient.ts";

/** A well-behaved session: mutates and watches on and on, whatever others do to the server. */
export class Bystander {
  readonly history = new History();
  readonly #client: SyncClient;
  readonly #server: TestServer;
  readonly #work: Promise<void>;
  readonly #state = { isWorking: true };

  constructor(server: TestServer) {
    this.#server = server;
    this.#client = watchingClient(server.url, this.history);
    this.#work = this.#goOn();
  }

  /** Every update arrives before the next one is made. */
  async #goOn(): Promise<void> {
    for (let made = 0; this.#state.isWorking; made++) {
      const total = () => this.#client.results.get(accountNames.length) as { count: number } | undefined;
      await addBySession(this.#client, this.history);
      await until("the update is shown", () => total()?.count === made + 1);
    }
  }

  get made(): number {
    return this.history.operations.length;
  }

  /** Resolves when it has made and seen some more updates. */
  async goesOn(): Promise<void> {
    const before = this.made;
    await until("the well-behaved session goes on", () => this.made > before + 3);
  }

  /** Ends it: everything it did was answered, shown in order on one connection, and is there. */
  async check(): Promise<void> {
    this.#state.isWorking = false;
    await this.#work;
    expect(this.#client.violations).toEqual([]);
    expect(this.#client.connectionCount).toBe(1);
    const { entries, accounts, violations } = await readLedger(this.#server.url);
    expect([...violations, ...checkHistory(this.history, entries, accounts)]).toEqual([]);
    this.#client.close();
  }
}
