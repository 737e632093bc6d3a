import type { ModuleSource } from "../runner/types.ts";
import type { Transaction } from "../transaction/transaction.ts";
import type { AnalyzedModule } from "./analysisTypes.ts";
import { readComponents } from "./componentRows.ts";
import { analysisOf, readModules, readUdfConfig } from "./configuration.ts";
import { hashModule } from "./pushRequest.ts";
import {
  codeOwnerOf,
  componentDefinitionRows,
  deleteRow,
  insertRow,
  moduleRows,
  replaceRow,
  rowsOf,
  udfConfigRows,
  type CodeOwner,
} from "./systemRows.ts";

/** The code of one definition, the app's or a component's, as a push has it. */
export interface PushedCode {
  readonly modules: readonly ModuleSource[];
  readonly analysis: Readonly<Record<string, AnalyzedModule>>;
  readonly serverVersion: string;
  readonly nodeVersion: string | null;
  readonly importSeed: Uint8Array;
  readonly importTimestampMs: number;
}

export interface CodeDiff {
  readonly moduleDiff: ModuleDiff;
  readonly udfConfigDiff: { readonly previous_version: string; readonly next_version: string } | null;
  readonly cronDiff: CronDiff;
  /** Whether any module was added, removed or changed. */
  readonly changed: boolean;
}
export interface ModuleDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}
export interface CronDiff {
  readonly added: readonly string[];
  readonly updated: readonly string[];
  readonly deleted: readonly string[];
}

export const emptyCronDiff: CronDiff = { added: [], updated: [], deleted: [] };
const emptyModule: AnalyzedModule = { functions: [], httpRoutes: null, cronSpecs: null, sourceMapped: null };

/** Makes this the owner's code. The seed and the clock at import stay as they are while the code does. */
export function writeCode(tx: Transaction, owner: CodeOwner, code: PushedCode): CodeDiff {
  const before = readModules(tx, owner);
  const oldCrons = before.find(({ value }) => value.path === "crons.js");
  const cronDiff = diffCrons(
    oldCrons === undefined ? null : analysisOf(oldCrons),
    code.analysis["crons.js"] ?? null,
  );
  const old = new Map(before.map((row) => [row.value.path, row]));
  const added: string[] = [];
  let changed = false;
  for (const module of code.modules) {
    const { path } = module;
    const sha256 = hashModule(module);
    const analysis = JSON.stringify(code.analysis[path] ?? emptyModule);
    const row = old.get(path);
    old.delete(path);
    if (row === undefined) {
      added.push(path);
      changed = true;
      insertRow(tx, moduleRows, { namespace: owner, ...module, sha256, analysis });
      continue;
    }
    const { value } = row;
    if (value.sha256 === sha256 && value.environment === module.environment && value.analysis === analysis)
      continue;
    changed = true;
    replaceRow(tx, moduleRows, row.id, { namespace: owner, ...module, sha256, analysis });
  }
  for (const row of old.values()) deleteRow(tx, moduleRows, row.id);
  const removed = [...old.keys()];
  changed ||= removed.length > 0;
  const udfConfigDiff = writeUdfConfig(tx, owner, code, changed);
  return { moduleDiff: { added, removed }, udfConfigDiff, cronDiff, changed };
}

/** Forgets definitions, and their code, that no instance has, mounted or not. Returns whether there were any. */
export function dropUnusedDefinitions(tx: Transaction): boolean {
  const used = new Set(readComponents(tx).map(({ value }) => value.definitionPath));
  const unused = rowsOf(tx, componentDefinitionRows).filter(({ value }) => !used.has(value.path));
  for (const { id, value } of unused) {
    deleteRow(tx, componentDefinitionRows, id);
    const owner = codeOwnerOf(value.path);
    for (const row of readModules(tx, owner)) deleteRow(tx, moduleRows, row.id);
    const config = readUdfConfig(tx, owner);
    if (config !== null) deleteRow(tx, udfConfigRows, config.id);
  }
  return unused.length > 0;
}

export function diffCrons(before: AnalyzedModule | null, after: AnalyzedModule | null): CronDiff {
  const textsOf = (module: AnalyzedModule | null) =>
    new Map((module?.cronSpecs ?? []).map(({ identifier, spec }) => [identifier, JSON.stringify(spec)]));
  const old = textsOf(before);
  const now = textsOf(after);
  return {
    added: [...now.keys()].filter((identifier) => !old.has(identifier)),
    updated: [...now]
      .filter(([identifier, text]) => (old.get(identifier) ?? text) !== text)
      .map(([identifier]) => identifier),
    deleted: [...old.keys()].filter((identifier) => !now.has(identifier)),
  };
}

function writeUdfConfig(
  tx: Transaction,
  owner: CodeOwner,
  code: PushedCode,
  codeChanged: boolean,
): CodeDiff["udfConfigDiff"] {
  const before = readUdfConfig(tx, owner);
  const { serverVersion, nodeVersion, importSeed, importTimestampMs } = code;
  const imports =
    before === null || codeChanged
      ? { importSeed: importSeed.slice().buffer, importTimestampMs }
      : { importSeed: before.value.importSeed, importTimestampMs: before.value.importTimestampMs };
  const next = { namespace: owner, serverVersion, nodeVersion, ...imports };
  if (before === null) {
    insertRow(tx, udfConfigRows, next);
    return null;
  }
  replaceRow(tx, udfConfigRows, before.id, next);
  const previousVersion = before.value.serverVersion;
  return previousVersion === serverVersion
    ? null
    : { previous_version: previousVersion, next_version: serverVersion };
}
