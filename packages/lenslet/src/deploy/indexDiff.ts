import type { SchemaJson } from "./schemaTypes.ts";

/** An index as the CLI and the diffs of a push name it: "table.index" (reference http-api.md §6.2). */
export type DeveloperIndex = (
  | { readonly name: string; readonly type: "database"; readonly fields: readonly string[] }
  | {
      readonly name: string;
      readonly type: "search";
      readonly searchField: string;
      readonly filterFields: readonly string[];
    }
  | {
      readonly name: string;
      readonly type: "vector";
      readonly dimensions: number;
      readonly vectorField: string;
      readonly filterFields: readonly string[];
    }
) & { readonly staged?: true };

export interface IndexDiff {
  readonly added_indexes: readonly DeveloperIndex[];
  readonly removed_indexes: readonly DeveloperIndex[];
  /** Staged before, not any more. */
  readonly enabled_indexes: readonly DeveloperIndex[];
  /** In use before, staged now. */
  readonly disabled_indexes: readonly DeveloperIndex[];
}

export const emptyIndexDiff: IndexDiff = {
  added_indexes: [],
  removed_indexes: [],
  enabled_indexes: [],
  disabled_indexes: [],
};

/** All indexes a schema declares, by "table.index", in table and declaration order. */
export function declaredIndexes(schema: SchemaJson | null): ReadonlyMap<string, DeveloperIndex> {
  const result = new Map<string, DeveloperIndex>();
  const add = (index: DeveloperIndex, staged: boolean) =>
    result.set(index.name, staged ? { ...index, staged: true } : index);
  for (const table of schema?.tables ?? []) {
    const nameOf = (index: { readonly indexDescriptor: string }) =>
      `${table.tableName}.${index.indexDescriptor}`;
    for (const staged of [false, true]) {
      for (const index of staged ? table.stagedDbIndexes : table.indexes) {
        add({ name: nameOf(index), type: "database", fields: index.fields }, staged);
      }
      for (const index of staged ? table.stagedSearchIndexes : table.searchIndexes) {
        const { searchField, filterFields } = index;
        add({ name: nameOf(index), type: "search", searchField, filterFields }, staged);
      }
      for (const index of staged ? table.stagedVectorIndexes : table.vectorIndexes) {
        const { dimensions, vectorField, filterFields } = index;
        add({ name: nameOf(index), type: "vector", dimensions, vectorField, filterFields }, staged);
      }
    }
  }
  return result;
}

export function hasSameSpec(a: DeveloperIndex, b: DeveloperIndex): boolean {
  return specOf(a) === specOf(b);
}

function specOf(index: DeveloperIndex): string {
  switch (index.type) {
    case "database":
      return JSON.stringify([index.type, index.fields]);
    case "search":
      return JSON.stringify([index.type, index.searchField, index.filterFields.toSorted()]);
    case "vector":
      return JSON.stringify([index.type, index.vectorField, index.dimensions, index.filterFields.toSorted()]);
  }
}

/**
 * What activating `next` changes. Compares schemas, not the indexes that happen to exist: what pushes that were
 * never finished left behind is no part of the deployment yet, so it still counts as added.
 */
export function diffIndexes(active: SchemaJson | null, next: SchemaJson | null): IndexDiff {
  const before = declaredIndexes(active);
  const after = declaredIndexes(next);
  const added: DeveloperIndex[] = [];
  const removed: DeveloperIndex[] = [];
  const enabled: DeveloperIndex[] = [];
  const disabled: DeveloperIndex[] = [];
  for (const [name, index] of after) {
    const old = before.get(name);
    if (old === undefined || !hasSameSpec(old, index)) added.push(index);
    else if (old.staged === true && index.staged === undefined) enabled.push(index);
    else if (old.staged === undefined && index.staged === true) disabled.push(index);
  }
  for (const [name, index] of before) {
    const now = after.get(name);
    if (now === undefined || !hasSameSpec(now, index)) removed.push(index);
  }
  return {
    added_indexes: added,
    removed_indexes: removed,
    enabled_indexes: enabled,
    disabled_indexes: disabled,
  };
}
