import type { Transaction } from "../transaction/transaction.ts";
import type { AnalyzedModule, DefinitionMetadata } from "./analysisTypes.ts";
import type { AuthInfo } from "./authConfig.ts";
import { plainAppDefinition } from "./definition.ts";
import { applyEnvironmentVariableChanges, type EnvironmentVariableChange } from "./environmentVariables.ts";
import {
  authRows,
  componentDefinitionRows,
  deleteRow,
  deploymentValue,
  environmentVariableRows,
  insertRow,
  moduleRows,
  replaceRow,
  rowsMatching,
  rowsOf,
  setDeploymentValue,
  udfConfigRows,
  type CodeOwner,
  type ModuleRow,
  type SystemRow,
  type UdfConfigRow,
} from "./systemRows.ts";

/*
 * What pushes and environment changes leave in the system tables, read and written through a transaction.
 */

const definitionKey = "appDefinition";
const generationKey = "codeGeneration";
const functionsDirectoryKey = "functionsDirectory";

/** In path order. */
export function readModules(tx: Transaction, owner: CodeOwner): readonly SystemRow<ModuleRow>[] {
  const byPath = [...rowsMatching(tx, moduleRows, "by_path", [owner])];
  return byPath.toSorted((a, b) => (a.value.path < b.value.path ? -1 : 1));
}

export function analysisOf(row: SystemRow<ModuleRow>): AnalyzedModule {
  return JSON.parse(row.value.analysis) as AnalyzedModule;
}

/** By name, in name order. */
export function readEnvironmentVariables(tx: Transaction): Readonly<Record<string, string>> {
  const rows = rowsOf(tx, environmentVariableRows).toSorted((a, b) => (a.value.name < b.value.name ? -1 : 1));
  return Object.fromEntries(rows.map((row) => [row.value.name, row.value.value]));
}

/**
 * Applies all changes or throws BadRequest (reference http-api.md §7). The caller re-evaluates auth.config.js with the
 * new variables before it commits.
 */
export function updateEnvironmentVariables(
  tx: Transaction,
  changes: readonly EnvironmentVariableChange[],
): void {
  const declared = readAppDefinition(tx).envVars ?? [];
  const next = new Map(
    Object.entries(applyEnvironmentVariableChanges(readEnvironmentVariables(tx), changes, declared)),
  );
  for (const row of rowsOf(tx, environmentVariableRows)) {
    const { name } = row.value;
    const value = next.get(name);
    if (value === undefined) deleteRow(tx, environmentVariableRows, row.id);
    else replaceRow(tx, environmentVariableRows, row.id, { name, value });
    next.delete(name);
  }
  for (const [name, value] of next) insertRow(tx, environmentVariableRows, { name, value });
}

export function readAuthProviders(tx: Transaction): readonly AuthInfo[] {
  return rowsOf(tx, authRows).map((row) => JSON.parse(row.value.provider) as AuthInfo);
}

/** JSON texts of providers, as finish_push shows them. */
export interface AuthDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Makes these the providers, in this order; writes nothing when they already are. */
export function writeAuthProviders(tx: Transaction, providers: readonly AuthInfo[]): AuthDiff {
  const before = rowsOf(tx, authRows);
  const oldTexts = before.map((row) => row.value.provider);
  const newTexts = providers.map((provider) => JSON.stringify(provider));
  const isSame =
    oldTexts.length === newTexts.length && oldTexts.every((text, index) => text === newTexts[index]);
  if (!isSame) {
    for (const row of before) deleteRow(tx, authRows, row.id);
    for (const provider of newTexts) insertRow(tx, authRows, { provider });
  }
  return {
    added: newTexts.filter((text) => !oldTexts.includes(text)),
    removed: oldTexts.filter((text) => !newTexts.includes(text)),
  };
}

export function readAppDefinition(tx: Transaction): DefinitionMetadata {
  const text = deploymentValue(tx, definitionKey);
  return text === null ? plainAppDefinition : (JSON.parse(text) as DefinitionMetadata);
}

export function writeAppDefinition(tx: Transaction, definition: DefinitionMetadata): void {
  setDeploymentValue(tx, definitionKey, JSON.stringify(definition));
}

/** Evaluated convex.config.ts of every component definition that an instance uses, by definition path. */
export function readComponentDefinitions(tx: Transaction): ReadonlyMap<string, DefinitionMetadata> {
  const rows = rowsOf(tx, componentDefinitionRows);
  return new Map(rows.map(({ value }) => [value.path, JSON.parse(value.definition) as DefinitionMetadata]));
}

/** Adds or replaces these. Returns whether anything changed. */
export function writeComponentDefinitions(
  tx: Transaction,
  definitions: readonly DefinitionMetadata[],
): boolean {
  const rows = new Map(rowsOf(tx, componentDefinitionRows).map((row) => [row.value.path, row]));
  let changed = false;
  for (const definition of definitions) {
    const { path } = definition;
    const row = rows.get(path);
    const next = { path, definition: JSON.stringify(definition) };
    if (row?.value.definition === next.definition) continue;
    changed = true;
    if (row === undefined) insertRow(tx, componentDefinitionRows, next);
    else replaceRow(tx, componentDefinitionRows, row.id, next);
  }
  return changed;
}

/** Null before the first push. */
export function readUdfConfig(tx: Transaction, owner: CodeOwner): SystemRow<UdfConfigRow> | null {
  return rowsOf(tx, udfConfigRows).find((row) => row.value.namespace === owner) ?? null;
}

/** Changes with every push that changed modules; "0" before the first. */
export function readGeneration(tx: Transaction): string {
  return deploymentValue(tx, generationKey) ?? "0";
}

export function advanceGeneration(tx: Transaction): void {
  setDeploymentValue(tx, generationKey, String(Number(readGeneration(tx)) + 1));
}

/** The functions directory of the last push, e.g. "convex/". */
export function readFunctionsDirectory(tx: Transaction): string {
  return deploymentValue(tx, functionsDirectoryKey) ?? "convex/";
}

export function writeFunctionsDirectory(tx: Transaction, functions: string): void {
  setDeploymentValue(tx, functionsDirectoryKey, functions);
}
