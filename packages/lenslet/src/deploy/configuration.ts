import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { AnalyzedModule, DefinitionMetadata } from "./analysisTypes.ts";
import type { AuthInfo } from "./authConfig.ts";
import { plainAppDefinition } from "./definition.ts";
import { applyEnvironmentVariableChanges, type EnvironmentVariableChange } from "./environmentVariables.ts";
import {
  authRows,
  deleteRow,
  deploymentValue,
  environmentVariableRows,
  insertRow,
  moduleRows,
  replaceRow,
  rowsOf,
  setDeploymentValue,
  udfConfigRows,
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

export function readModules(tx: Transaction, namespace: Namespace): readonly SystemRow<ModuleRow>[] {
  return rowsOf(tx, moduleRows)
    .filter((row) => row.value.namespace === namespace)
    .toSorted((a, b) => (a.value.path < b.value.path ? -1 : 1));
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

/** Null before the first push. */
export function readUdfConfig(tx: Transaction, namespace: Namespace): SystemRow<UdfConfigRow> | null {
  return rowsOf(tx, udfConfigRows).find((row) => row.value.namespace === namespace) ?? null;
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
