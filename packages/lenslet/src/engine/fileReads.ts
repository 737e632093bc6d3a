import { badRequest, internalErrorMessage, LensletError } from "../base/errors.ts";
import type { FetchedFile, WantedFile, WireError } from "./wire.ts";

/** Contents that calls hold while they wait for more, run, or wait to run. */
export const heldBytesMax = 256 * 1024 * 1024;
/** Contents that are fetched at the same time. */
export const fetchesMax = 16;
/** A call that reads one file after another is run again for each of them, from its start. */
export const roundsMax = 100;

/** Resolves with null when there is nothing under the key. It ends in bounded time. */
export type FetchContents = (key: string, sizeBytes: number) => Promise<Uint8Array | null>;

/** Something there is a number of; who wants some waits in line. */
class Room {
  #free: number;
  readonly #line: { readonly amount: number; readonly enter: () => void }[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  takeAtOnce(amount: number): boolean {
    if (this.#line.length > 0 || amount > this.#free) return false;
    this.#free -= amount;
    return true;
  }

  async take(amount: number): Promise<void> {
    if (this.takeAtOnce(amount)) return;
    await new Promise<void>((enter) => this.#line.push({ amount, enter }));
  }

  give(amount: number): void {
    this.#free += amount;
    for (
      let first = this.#line[0];
      first !== undefined && first.amount <= this.#free;
      first = this.#line[0]
    ) {
      this.#free -= first.amount;
      this.#line.shift();
      first.enter();
    }
  }
}

/** Fetches contents for calls that the engine has broken off because it cannot wait for them. On the net thread. */
export class FileReads {
  readonly #fetch: FetchContents;
  readonly #bytes: Room;
  readonly #bytesMax: number;
  readonly #fetches = new Room(fetchesMax);

  constructor(fetch: FetchContents, bytesMax = heldBytesMax) {
    this.#fetch = fetch;
    this.#bytes = new Room(bytesMax);
    this.#bytesMax = bytesMax;
  }

  /** For one call; to be closed when it is answered. */
  open(): CallReads {
    return new CallReads(this.#bytes, this.#bytesMax, (file) => this.#read(file));
  }

  async #read({ key, size }: WantedFile): Promise<FetchedFile> {
    await this.#fetches.take(1);
    try {
      return { bytes: await this.#fetch(key, size), error: null };
    } catch (error) {
      return { bytes: null, error: wireErrorOf(error) };
    } finally {
      this.#fetches.give(1);
    }
  }
}

/** What one call has got so far. */
export class CallReads {
  readonly #room: Room;
  readonly #bytesMax: number;
  readonly #read: (file: WantedFile) => Promise<FetchedFile>;
  readonly #found = new Map<string, FetchedFile>();
  #heldBytes = 0;
  #rounds = 0;
  #isClosed = false;

  constructor(room: Room, bytesMax: number, read: (file: WantedFile) => Promise<FetchedFile>) {
    this.#room = room;
    this.#bytesMax = bytesMax;
    this.#read = read;
  }

  /**
   * Everything that the call's newest attempt wanted to read. Never rejects; null: it was closed meanwhile. `failure`:
   * why something could not be fetched that is there, perhaps, another time.
   */
  async read(files: readonly WantedFile[]): Promise<{
    readonly files: ReadonlyMap<string, FetchedFile>;
    readonly failure: WireError | null;
  } | null> {
    this.#rounds += 1;
    const wanted = new Set(files.map(({ key }) => key));
    for (const key of this.#found.keys()) if (!wanted.has(key)) this.#found.delete(key);
    if (this.#rounds > roundsMax) return { files: withRefusals(files, this.#found), failure: null };
    await this.#reserve(files.reduce((bytes, { size }) => bytes + size, 0));
    const missing = this.#isClosed ? [] : files.filter(({ key }) => !this.#found.has(key));
    const found = await Promise.all(missing.map((file) => this.#read(file)));
    if (this.#isClosed) {
      this.#giveBack();
      return null;
    }
    for (const [i, { key }] of missing.entries()) this.#found.set(key, found[i] as FetchedFile);
    const failure = found.find(({ error }) => error !== null)?.error ?? null;
    return { files: new Map(this.#found), failure };
  }

  close(): void {
    this.#isClosed = true;
    this.#found.clear();
    this.#giveBack();
  }

  /**
   * Room for all that the call holds. Nobody waits for room with contents in hand, so nobody waits for ever: what does
   * not fit beside what others hold is given up, and fetched again when its turn has come.
   */
  async #reserve(bytes: number): Promise<void> {
    const total = Math.min(bytes, this.#bytesMax);
    if (total <= this.#heldBytes || this.#room.takeAtOnce(total - this.#heldBytes)) {
      if (total < this.#heldBytes) this.#room.give(this.#heldBytes - total);
      this.#heldBytes = total;
      return;
    }
    this.#found.clear();
    this.#giveBack();
    await this.#room.take(total);
    this.#heldBytes = total;
  }

  #giveBack(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    if (bytes > 0) this.#room.give(bytes);
  }
}

function withRefusals(
  files: readonly WantedFile[],
  found: ReadonlyMap<string, FetchedFile>,
): ReadonlyMap<string, FetchedFile> {
  const { category, code, message } = badRequest(
    "TooManyFileReads",
    `A mutation may read ${roundsMax} files of this file store one after another. Read several at once (Promise.all), or read them in an action.`,
  );
  const refused: FetchedFile = { bytes: null, error: { category, code, message } };
  return new Map(files.map(({ key }) => [key, found.get(key) ?? refused]));
}

function wireErrorOf(error: unknown): WireError {
  if (!(error instanceof LensletError))
    return { category: "Internal", code: "InternalServerError", message: internalErrorMessage };
  const { category, code, message } = error;
  return { category, code, message };
}
