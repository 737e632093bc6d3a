import { PostingBuffer, windowDocuments, writeChunk, dropRemoved } from "./postings.ts";
import type { ByteWriter } from "./bytes.ts";
import type { Ordinals } from "./ordinals.ts";

const initialPostings = 4096;
const initialNames = 1024;
const none = -1;

const scratch = new PostingBuffer();

/**
 * Postings that have not been written yet, by name (a term, or the key of a filter). Everything is in arrays of
 * numbers that are used again after each flush: lists of postings as objects would keep the garbage collector busy.
 */
export class PendingPostings {
  /** Name → its place in the arrays by name. */
  readonly #names = new Map<string, number>();
  /** Change in the number of documents that have the name. */
  #documents = new Int32Array(initialNames);
  /** Chains of postings, oldest first. */
  #first = new Int32Array(initialNames);
  #last = new Int32Array(initialNames);
  #count = 0;
  #next = new Int32Array(initialPostings);
  #ordinals = new Float64Array(initialPostings);
  #frequencies = new Uint32Array(initialPostings);
  #lengthCodes = new Uint8Array(initialPostings);

  names(): IterableIterator<string> {
    return this.#names.keys();
  }

  documentsOf(name: string): number {
    const at = this.#names.get(name);
    return at === undefined ? 0 : (this.#documents[at] as number);
  }

  /** Ordinals of one name must ascend. */
  add(name: string, ordinal: number, frequency: number, lengthCode: number): void {
    const at = this.#place(name);
    const posting = this.#count++;
    if (posting === this.#next.length) this.#growPostings();
    this.#next[posting] = none;
    this.#ordinals[posting] = ordinal;
    this.#frequencies[posting] = frequency;
    this.#lengthCodes[posting] = lengthCode;
    this.#documents[at] = (this.#documents[at] as number) + 1;
    const last = this.#last[at] as number;
    if (last === none) this.#first[at] = posting;
    else this.#next[last] = posting;
    this.#last[at] = posting;
  }

  /** One document less has the name; its posting stays where it is. */
  subtract(name: string): void {
    const at = this.#place(name);
    this.#documents[at] = (this.#documents[at] as number) - 1;
  }

  /** Appends the postings of a name as chunks, without documents that have been removed since. */
  write(name: string, ordinals: Ordinals, chunks: ByteWriter): void {
    const at = this.#names.get(name);
    if (at === undefined) return;
    for (let posting = this.#first[at] as number; posting !== none;) {
      const window = Math.floor((this.#ordinals[posting] as number) / windowDocuments);
      const start = window * windowDocuments;
      scratch.count = 0;
      for (; posting !== none; posting = this.#next[posting] as number) {
        const offset = (this.#ordinals[posting] as number) - start;
        if (offset >= windowDocuments) break;
        scratch.add(offset, this.#frequencies[posting] as number, this.#lengthCodes[posting] as number);
      }
      const removed = ordinals.removedIn(window);
      if (removed !== null) dropRemoved(scratch, removed);
      if (scratch.count > 0) writeChunk(chunks, window, scratch);
    }
  }

  clear(): void {
    this.#names.clear();
    this.#count = 0;
  }

  #place(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const at = this.#names.size;
    if (at === this.#documents.length) this.#growNames();
    this.#names.set(name, at);
    this.#documents[at] = 0;
    this.#first[at] = none;
    this.#last[at] = none;
    return at;
  }

  #growNames(): void {
    this.#documents = doubled(this.#documents, Int32Array);
    this.#first = doubled(this.#first, Int32Array);
    this.#last = doubled(this.#last, Int32Array);
  }

  #growPostings(): void {
    this.#next = doubled(this.#next, Int32Array);
    this.#ordinals = doubled(this.#ordinals, Float64Array);
    this.#frequencies = doubled(this.#frequencies, Uint32Array);
    this.#lengthCodes = doubled(this.#lengthCodes, Uint8Array);
  }
}

interface Numbers<T> {
  readonly length: number;
  set(source: T): void;
}

function doubled<T extends Numbers<T>>(numbers: T, constructor: new (length: number) => T): T {
  const grown = new constructor(2 * numbers.length);
  grown.set(numbers);
  return grown;
}
