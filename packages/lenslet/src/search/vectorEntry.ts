import type { Table, VectorIndex } from "../store/catalog.ts";
import type { StoredDocument } from "../store/store.ts";
import type { VectorEntry, VectorEntryChange } from "../store/vectorReader.ts";
import { getField } from "../values/names.ts";
import type { Value } from "../values/value.ts";
import { filterKeyOf } from "./entry.ts";

/**
 * What an index keeps of a document; null if the field holds no vector of its dimensions. Components are taken as f32;
 * a vector with one that is not finite then has no cosine with anything, and is left out.
 */
export function vectorEntryOf(index: VectorIndex, { value }: StoredDocument): VectorEntry | null {
  const components = getField(value, index.vectorField);
  if (!isVector(components, index.dimensions)) return null;
  const filters = index.filterFields.map((path) => filterKeyOf(getField(value, path)));
  return { vector: new Float32Array(components), filters };
}

function isVector(value: Value | undefined, dimensions: number): value is number[] {
  if (!Array.isArray(value) || value.length !== dimensions) return false;
  return value.every((component) => typeof component === "number" && Number.isFinite(Math.fround(component)));
}

/** For `DocumentWrite.vectors`: undefined for a write that changes no vector index. */
export function vectorChangesOf(
  table: Table,
  before: StoredDocument | null,
  after: StoredDocument | null,
): readonly VectorEntryChange[] | undefined {
  if (table.vectorIndexes.length === 0) return undefined;
  const changes: VectorEntryChange[] = [];
  for (const index of table.vectorIndexes) {
    const old = before === null ? null : vectorEntryOf(index, before);
    const entry = after === null ? null : vectorEntryOf(index, after);
    if (!isSameEntry(old, entry)) changes.push({ index: index.id, existed: old !== null, after: entry });
  }
  return changes.length === 0 ? undefined : changes;
}

function isSameEntry(a: VectorEntry | null, b: VectorEntry | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.filters.every((key, i) => key === b.filters[i]) &&
    a.vector.every((component, i) => component === b.vector[i])
  );
}
