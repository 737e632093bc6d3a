import type { InternalId } from "../values/id.ts";
import type { StoredDocument, TabletId } from "./store.ts";

/** Measured with chat-sized documents, decoded: 250 bytes and 2 for each character. Arrays of small numbers take more. */
const heapBytesPerCharacter = 3;
const heapBytesPerDocument = 250;

/** Heap a cached document may come to hold, its decoded value included. */
export function heapBytesOf(document: StoredDocument): number {
  return heapBytesPerDocument + heapBytesPerCharacter * document.json.length;
}

interface Generations {
  young: Map<InternalId, StoredDocument>;
  old: Map<InternalId, StoredDocument>;
}

/**
 * Recently used documents, up to `bytesMax` of heap. Two generations stand in for a list in order of use: what is used
 * is in the young one; when that holds half of the bytes it becomes the old one, and the former old one is
 * dropped. A hit costs one Map look-up, and whatever was used in the last half of the bytes is never lost.
 */
export class DocumentCache {
  readonly #generationBytesMax: number;
  readonly #tablets = new Map<TabletId, Generations>();
  #youngBytes = 0;

  constructor(bytesMax: number) {
    this.#generationBytesMax = bytesMax / 2;
  }

  get(tablet: TabletId, id: InternalId): StoredDocument | undefined {
    const generations = this.#tablets.get(tablet);
    if (generations === undefined) return undefined;
    const hit = generations.young.get(id);
    if (hit !== undefined) return hit;
    const aged = generations.old.get(id);
    if (aged !== undefined) {
      generations.old.delete(id);
      this.#add(generations, id, aged);
    }
    return aged;
  }

  put(tablet: TabletId, id: InternalId, document: StoredDocument): void {
    let generations = this.#tablets.get(tablet);
    if (generations === undefined) {
      generations = { young: new Map(), old: new Map() };
      this.#tablets.set(tablet, generations);
    }
    if (this.#replace(generations, id, document)) return;
    this.#remove(generations, id);
    this.#add(generations, id, document);
  }

  delete(tablet: TabletId, id: InternalId): void {
    const generations = this.#tablets.get(tablet);
    if (generations !== undefined) this.#remove(generations, id);
  }

  /** Number of documents held. */
  get size(): number {
    let size = 0;
    for (const { young, old } of this.#tablets.values()) size += young.size + old.size;
    return size;
  }

  dropTablet(tablet: TabletId): void {
    const generations = this.#tablets.get(tablet);
    if (generations === undefined) return;
    for (const document of generations.young.values()) this.#youngBytes -= heapBytesOf(document);
    this.#tablets.delete(tablet);
  }

  #add(generations: Generations, id: InternalId, document: StoredDocument): void {
    const bytes = heapBytesOf(document);
    if (bytes > this.#generationBytesMax) return;
    if (this.#youngBytes + bytes > this.#generationBytesMax) this.#age();
    this.#youngBytes += bytes;
    generations.young.set(id, document);
  }

  /** In its place: a Map of many entries pays for each that is taken out and put in again. False if it has none. */
  #replace({ young }: Generations, id: InternalId, document: StoredDocument): boolean {
    const held = young.get(id);
    if (held === undefined) return false;
    const youngBytes = this.#youngBytes - heapBytesOf(held) + heapBytesOf(document);
    if (youngBytes > this.#generationBytesMax) return false;
    this.#youngBytes = youngBytes;
    young.set(id, document);
    return true;
  }

  #remove(generations: Generations, id: InternalId): void {
    const young = generations.young.get(id);
    if (young !== undefined) {
      generations.young.delete(id);
      this.#youngBytes -= heapBytesOf(young);
    } else generations.old.delete(id);
  }

  /** Generations are swapped in place: a caller may hold those of the tablet it is about to add to. */
  #age(): void {
    for (const generations of this.#tablets.values()) {
      const emptied = generations.old;
      emptied.clear();
      generations.old = generations.young;
      generations.young = emptied;
    }
    this.#youngBytes = 0;
  }
}
