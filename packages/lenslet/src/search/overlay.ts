import type { EntryTerms, SearchEntry, SearchReader } from "../store/searchReader.ts";
import type { StoredDocument } from "../store/store.ts";
import type { InternalId } from "../values/id.ts";
import { compareUtf8 } from "../values/utf8.ts";

/** A document as an overlay shows it. */
export interface OverlaidDocument {
  readonly document: StoredDocument;
  readonly entry: SearchEntry;
  readonly terms: EntryTerms;
}

/**
 * Changes to what a search index holds: a transaction's own writes, or the taking back of commits that are later than
 * its snapshot. Counts for ranking are changed with them, as if the index held what is seen.
 */
export class SearchOverlay {
  /** The version to be seen of each changed document; null: none. */
  readonly #changed = new Map<InternalId, OverlaidDocument | null>();
  /** Changed documents of which the index has a version, which is not to be seen. */
  readonly #hidden = new Set<number>();
  /** Those among them whose ordinals have not been looked up yet. */
  #hiddenIds: InternalId[] = [];
  readonly #documentsWith = new Map<string, number>();
  #documents = 0;
  #tokens = 0;

  /** Replaces the version seen so far, whose entry is `from`, by `document` (null: none), whose entry is `to`. */
  change(
    id: InternalId,
    from: SearchEntry | null,
    document: StoredDocument | null,
    to: SearchEntry | null,
  ): void {
    const known = this.#changed.get(id);
    if (known === undefined && from !== null) this.#hiddenIds.push(id);
    const replaced = known === undefined ? (from?.terms() ?? null) : (known?.terms ?? null);
    if (replaced !== null) this.#count(replaced, -1);
    const visible = document === null || to === null ? null : { document, entry: to, terms: to.terms() };
    if (visible !== null) this.#count(visible.terms, 1);
    this.#changed.set(id, visible);
  }

  /** Changes of the counts of the index. */
  get documents(): number {
    return this.#documents;
  }
  get tokens(): number {
    return this.#tokens;
  }
  documentsWith(term: string): number {
    return this.#documentsWith.get(term) ?? 0;
  }

  /** Terms that begin with `prefix` and that more documents have than in the index, in the order of their UTF-8 bytes. */
  addedTerms(prefix: string): string[] {
    const added: string[] = [];
    for (const [term, documents] of this.#documentsWith) {
      if (documents > 0 && term.startsWith(prefix)) added.push(term);
    }
    return added.toSorted(compareUtf8);
  }

  /** Ordinals of the versions in the index that are not to be seen. `reader`: always of the same index, unchanged. */
  hiddenOrdinals(reader: SearchReader): ReadonlySet<number> {
    for (const id of this.#hiddenIds) {
      const ordinal = reader.ordinalOf(id);
      if (ordinal !== null) this.#hidden.add(ordinal);
    }
    this.#hiddenIds = [];
    return this.#hidden;
  }

  *visible(): Generator<OverlaidDocument> {
    for (const visible of this.#changed.values()) if (visible !== null) yield visible;
  }

  /** Null if the overlay does not change the document. */
  documentOf(id: InternalId): StoredDocument | null {
    return this.#changed.get(id)?.document ?? null;
  }

  #count({ counts, tokens }: EntryTerms, sign: 1 | -1): void {
    this.#documents += sign;
    this.#tokens += sign * tokens;
    for (const term of counts.keys()) {
      this.#documentsWith.set(term, (this.#documentsWith.get(term) ?? 0) + sign);
    }
  }
}
