export interface ShownMessage {
  readonly key: string;
  readonly body: string;
  /** Shown by an optimistic update; the server has not said so. */
  readonly isPending?: boolean;
}

export interface Shown {
  readonly version: number;
  readonly messages: readonly ShownMessage[];
}

type Change =
  | { readonly type: "send" | "edit"; readonly key: string; readonly body: string }
  | { readonly type: "remove"; readonly key: string };

/**
 * What a channel must look like at each of its versions, made of what the mutations answered, and what each client has
 * shown. The server counts a version for every change, so answers that are missing or doubled leave gaps or clashes.
 */
export class ChannelModel {
  readonly #changes = new Map<number, Change>();
  readonly #shown = new Map<string, Shown[]>();
  readonly problems: string[] = [];

  /** A mutation was answered. */
  answered(version: number, change: Change): void {
    if (this.#changes.has(version)) this.problems.push(`version ${version} was given out twice`);
    this.#changes.set(version, change);
  }

  get versions(): number {
    return this.#changes.size;
  }

  /** A client's screen showed this. Checks at once what can be checked without knowing the answers yet. */
  shown(client: string, shown: Shown): void {
    const earlier = this.#shown.get(client) ?? [];
    const last = earlier.at(-1);
    if (last !== undefined && shown.version < last.version)
      this.problems.push(`${client} went back from version ${last.version} to ${shown.version}`);
    const keys = shown.messages.map(({ key }) => key);
    if (new Set(keys).size !== keys.length)
      this.problems.push(`${client} shows a message twice at version ${shown.version}`);
    earlier.push(shown);
    this.#shown.set(client, earlier);
  }

  /** The newest version, once every answer is in. */
  final(): Shown {
    return this.#replay().at(-1) as Shown;
  }

  /** Compares everything any client has ever shown with what the answers imply. */
  check(): string[] {
    const states = this.#replay();
    const problems = [...this.problems];
    for (const [client, shown] of this.#shown) {
      for (const { version, messages } of shown) {
        const expected = textOf(states[version]?.messages ?? []);
        const settled = textOf(messages.filter(({ isPending }) => isPending !== true));
        if (settled !== expected)
          problems.push(`${client} showed at version ${version} "${settled}" instead of "${expected}"`);
      }
    }
    // The first few tell the story.
    return problems.slice(0, 5);
  }

  #replay(): Shown[] {
    let messages: readonly ShownMessage[] = [];
    const states: Shown[] = [{ version: 0, messages }];
    for (let version = 1; version <= this.#changes.size; version++) {
      const change = this.#changes.get(version);
      if (change === undefined) {
        this.problems.push(`nobody was given version ${version} of ${this.#changes.size}`);
        break;
      }
      const others = messages.filter(({ key }) => key !== change.key);
      if (change.type === "send") messages = [...messages, { key: change.key, body: change.body }];
      if (change.type === "remove") messages = others;
      if (change.type === "edit") {
        const { key, body } = change;
        messages = messages.map((message) => (message.key === key ? { key, body } : message));
      }
      states.push({ version, messages });
    }
    return states;
  }
}

function textOf(messages: readonly ShownMessage[]): string {
  return messages.map(({ key, body }) => `${key}=${body}`).join(", ");
}
