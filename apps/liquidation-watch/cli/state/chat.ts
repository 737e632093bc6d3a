import type { ConvexClient } from "convex/browser";
import { api } from "../../convex/_generated/api.js";
import type { Id } from "../../convex/_generated/dataModel.js";
import { describeError } from "../shared/errors.ts";
import type { WatchStore } from "./watchStore.ts";

/** Messages that wait for the server. More are refused: somebody who types into a dead line should know. */
const UNSENT_MAX = 5;

/** Says things in the chat, in order, as the user of one wallet. */
export class Chat {
  readonly #client: ConvexClient;
  readonly #store: WatchStore;
  readonly #who: { readonly wallet: string; readonly name: string };
  #userId: Promise<Id<"users">> | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(
    client: ConvexClient,
    store: WatchStore,
    who: { readonly wallet: string; readonly name: string },
  ) {
    this.#client = client;
    this.#store = store;
    this.#who = who;
  }

  say(content: string): void {
    const { unsent } = this.#store.current;
    if (unsent.length >= UNSENT_MAX) {
      this.#store.notify(`${UNSENT_MAX} messages are still on their way. Wait for the connection.`, true);
      return;
    }
    this.#store.update({ unsent: [...unsent, content] });
    this.#last = this.#last.then(() => this.#send(content));
  }

  /** Resolves when everything said has been answered. */
  async drain(): Promise<void> {
    await this.#last;
  }

  async #send(content: string): Promise<void> {
    try {
      this.#userId ??= this.#client.mutation(api.users.signIn, {
        wallet_address: this.#who.wallet,
        username: this.#who.name,
      });
      await this.#client.mutation(api.messages.send, { user_id: await this.#userId, content });
    } catch (error) {
      this.#userId = null;
      this.#store.notify(`Not sent: ${describeError(error)}`, true);
    }
    this.#store.update({ unsent: this.#store.current.unsent.slice(1) });
  }
}
