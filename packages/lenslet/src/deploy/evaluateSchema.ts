import type { Transaction } from "../transaction/transaction.ts";
import type { Namespace } from "../store/store.ts";
import type { Analysis } from "./analysisTypes.ts";
import { existingNamespaces } from "./componentMount.ts";
import { componentTree, definitionOf, instancesOf } from "./componentTree.ts";
import { readComponentDefinitions } from "./configuration.ts";
import type { SchemaJson } from "./schemaTypes.ts";
import { declaredIndexes, diffIndexes, type DeveloperIndex } from "./indexDiff.ts";
import { isBuilt } from "./schemaIndexes.ts";
import type { BackfillProgress } from "./backfill.ts";
import { activeSchema, tableOutcome, type TableOutcome } from "./schemaState.ts";
import {
  discardedStagedValidators,
  isValidatedForNext,
  stagedState,
  type DiscardedStagedValidator,
  type StagedProgress,
  type StagedState,
} from "./stagedValidators.ts";

/** The answer of evaluate_schema (reference http-api.md §6.5). */
export interface SchemaEvaluation {
  readonly componentSchemaEvaluations: Readonly<Record<string, ComponentSchemaPrediction>>;
  readonly newComponentDefinitions: readonly string[];
}
interface ComponentSchemaPrediction {
  readonly definitionPath: string;
  readonly schemaValidation: boolean;
  readonly tables: readonly TablePrediction[];
  readonly indexes: readonly IndexPrediction[];
  readonly discardedStagedValidators: readonly DiscardedStagedValidator[];
}
interface TablePrediction {
  readonly name: string;
  readonly outcome: TableOutcome;
  readonly numDocs: number;
  /** Extrapolated from the first documents of the table. */
  readonly sizeBytes: number;
  /** Of the validator that the active schema stages. */
  readonly staged?: StagedState;
  /** The push enforces what is being validated: it would not have to look at the documents if it came later. */
  readonly canSkipAfterStagedValidation?: boolean;
}
type IndexPrediction = DeveloperIndex & {
  readonly change: "added" | "identical" | "enabled" | "disabled" | "dropped";
  readonly needsBackfill: boolean;
  readonly numDocs: number;
};

const sizeSampleDocuments = 100;

/**
 * Predicts what pushing these schemas would cost, and says what is known of staged validators; writes nothing. The
 * analysis need not have the functions.
 */
export function evaluateSchema(
  tx: Transaction,
  analysis: Analysis,
  backfills?: BackfillProgress,
): SchemaEvaluation {
  const progress: StagedProgress = (rowId) => backfills?.stagedProgress(rowId) ?? null;
  const namespaces = existingNamespaces(tx);
  const known = readComponentDefinitions(tx);
  const instances = instancesOf(componentTree(analysis, { checkRequired: false, checkRoutes: false }));
  const predictions = instances.map(({ path, definitionPath }): [string, ComponentSchemaPrediction] => {
    const { schema } = definitionOf(analysis, definitionPath);
    // Nothing is in a namespace of this name.
    const namespace = namespaces.get(path) ?? `new component ${path}`;
    return [path, predict(tx, namespace, definitionPath, schema, progress)];
  });
  return {
    componentSchemaEvaluations: Object.fromEntries(predictions),
    newComponentDefinitions: Object.keys(analysis.components).filter((path) => !known.has(path)),
  };
}

function predict(
  tx: Transaction,
  namespace: Namespace,
  definitionPath: string,
  next: SchemaJson | null,
  progress: StagedProgress,
): ComponentSchemaPrediction {
  const active = activeSchema(tx, namespace);
  const tables = (next?.tables ?? []).map((table): TablePrediction => {
    const outcome = next === null ? "notValidated" : tableOutcome(tx, namespace, next, table, active);
    const numDocs = documentsIn(tx, namespace, table.tableName);
    const sizeBytes = estimateSize(tx, namespace, table.tableName, numDocs);
    const staged = stagedState(tx, namespace, table.tableName, progress);
    const prediction = { name: table.tableName, outcome, numDocs, sizeBytes };
    if (staged === null) return prediction;
    const canSkipAfterStagedValidation = isValidatedForNext(tx, namespace, table, "pending");
    return { ...prediction, staged, canSkipAfterStagedValidation };
  });
  const diff = diffIndexes(active, next);
  const isIn = (list: readonly DeveloperIndex[], index: DeveloperIndex) =>
    list.some(({ name }) => name === index.name);
  const changeOf = (index: DeveloperIndex): IndexPrediction["change"] => {
    if (isIn(diff.added_indexes, index)) return "added";
    if (isIn(diff.enabled_indexes, index)) return "enabled";
    return isIn(diff.disabled_indexes, index) ? "disabled" : "identical";
  };
  const indexes = [...declaredIndexes(next).values()].map((index): IndexPrediction => {
    const numDocs = documentsIn(tx, namespace, tableNameOf(index));
    const needed = needsBackfill(tx, namespace, index, numDocs);
    return { ...index, change: changeOf(index), needsBackfill: needed, numDocs };
  });
  const dropped = diff.removed_indexes.map((index): IndexPrediction => {
    const numDocs = documentsIn(tx, namespace, tableNameOf(index));
    return { ...index, change: "dropped", needsBackfill: false, numDocs };
  });
  return {
    definitionPath,
    schemaValidation: next?.schemaValidation ?? false,
    tables,
    indexes: [...indexes, ...dropped],
    discardedStagedValidators: discardedStagedValidators(tx, namespace, { active, next }, progress),
  };
}

function tableNameOf(index: DeveloperIndex): string {
  return index.name.slice(0, index.name.indexOf("."));
}

function documentsIn(tx: Transaction, namespace: Namespace, tableName: string): number {
  const table = tx.table(namespace, tableName);
  return table === null ? 0 : tx.count(table);
}

function needsBackfill(
  tx: Transaction,
  namespace: Namespace,
  index: DeveloperIndex,
  numDocs: number,
): boolean {
  if (numDocs === 0) return false;
  const [table = "", name = ""] = index.name.split(".");
  switch (index.type) {
    case "database":
      return !isBuilt(tx, namespace, { table, name, fields: index.fields });
    case "search": {
      const { searchField, filterFields } = index;
      return !isBuilt(tx, namespace, {
        table,
        name,
        kind: "search",
        fields: [searchField],
        filterFields,
      });
    }
    case "vector":
      return false;
  }
}

function estimateSize(tx: Transaction, namespace: Namespace, tableName: string, numDocs: number): number {
  const table = tx.table(namespace, tableName);
  if (table === null || numDocs === 0) return 0;
  let bytes = 0;
  let documents = 0;
  for (const document of tx.scan(table.byId, "", null, "asc")) {
    bytes += document.size;
    documents += 1;
    if (documents === sizeSampleDocuments) break;
  }
  return Math.round((bytes / documents) * numDocs);
}
