import type { EntryTerms, SearchEntry } from "../store/searchReader.ts";
import type { StoredDocument } from "../store/store.ts";
import type { InternalId } from "../values/id.ts";
import { compareUtf8 } from "../values/utf8.ts";

/** A document as an overlay shows it. */
export interface OverlaidDocument {
  readonly document: StoredDocument;
  readonly entry: SearchEntry;
  readonly terms: EntryTerms;
}

interface Changed {
  /** Whether the index has a version of the document, which is not to be seen. */
  readonly hides: boolean;
  readonly visible: OverlaidDocument | null;
}

/**
 * Changes to what a search index holds: a transaction's own writes, or the taking back of commits that are later than
 * its snapshot. Counts for ranking are changed with them, as if the index held what is seen.
 */
export class SearchOverlay {
  readonly #changed = new Map<InternalId, Changed>();
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
    const hidden = known === undefined ? (from?.terms() ?? null) : (known.visible?.terms ?? null);
    if (hidden !== null) this.#count(hidden, -1);
    const visible = document === null || to === null ? null : { document, entry: to, terms: to.terms() };
    if (visible !== null) this.#count(visible.terms, 1);
    this.#changed.set(id, { hides: known?.hides ?? from !== null, visible });
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

  *hiddenIds(): Generator<InternalId> {
    for (const [id, { hides }] of this.#changed) if (hides) yield id;
  }

  *visible(): Generator<OverlaidDocument> {
    for (const { visible } of this.#changed.values()) if (visible !== null) yield visible;
  }

  /** Null if the overlay does not change the document. */
  documentOf(id: InternalId): StoredDocument | null {
    return this.#changed.get(id)?.visible?.document ?? null;
  }

  #count({ counts, tokens }: EntryTerms, sign: 1 | -1): void {
    this.#documents += sign;
    this.#tokens += sign * tokens;
    for (const term of counts.keys()) {
      this.#documentsWith.set(term, (this.#documentsWith.get(term) ?? 0) + sign);
    }
  }
}
