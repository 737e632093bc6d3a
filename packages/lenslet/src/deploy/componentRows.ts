import { badRequest } from "../base/errors.ts";
import { componentsTable } from "../store/systemTables.ts";
import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import {
  codeOwnerOf,
  rootNamespace,
  rowsOf,
  type CodeOwner,
  type SystemRow,
  type SystemTable,
} from "./systemRows.ts";

/**
 * One instance of a component. The id text of its row is the namespace of its data; it is given when a push that
 * mounts the instance starts, and stays for as long as the data does.
 */
export interface ComponentRow {
  /** Names of the instances from the app down, joined by "/", e.g. "agent/workpool". Never "". */
  readonly path: string;
  /**
   * `pending`: a push that mounts it was started and not finished yet. `unmounted`: the app does not use it any more;
   * the data stays, read-only, until the component is mounted again or deleted.
   */
  readonly state: "pending" | "active" | "unmounted";
  /** Resolved path of the definition, e.g. "../node_modules/@convex-dev/rate-limiter/dist/component". */
  readonly definitionPath: string;
  /** JSON text of `ComponentInstance.args`, likewise env. */
  readonly args: string;
  readonly env: string;
  readonly httpPrefix: string | null;
}

export const componentRows: SystemTable<ComponentRow> = { definition: componentsTable };

/** Oldest first. */
export function readComponents(tx: Transaction): readonly SystemRow<ComponentRow>[] {
  return rowsOf(tx, componentRows);
}

/** What an admin sees of it, by path: the mounted ones, and those whose data is still there. */
export function visibleComponents(tx: Transaction): readonly SystemRow<ComponentRow>[] {
  const rows = readComponents(tx).filter(({ value }) => value.state !== "pending");
  return rows.toSorted((a, b) => (a.value.path < b.value.path ? -1 : 1));
}

/** Throws ComponentPathNotFound for what was never mounted. */
export function namespaceOfPath(tx: Transaction, componentPath: string): Namespace {
  if (componentPath === "") return rootNamespace;
  const row = visibleComponents(tx).find(({ value }) => value.path === componentPath);
  if (row === undefined) throw badRequest("ComponentPathNotFound", `Component ${componentPath} not found`);
  return row.idText;
}

/** The namespace that a component id of an admin's request names: null and "" are the app. Throws ComponentNotFound. */
export function namespaceOfId(tx: Transaction, componentId: string | null): Namespace {
  if (componentId === null || componentId === "") return rootNamespace;
  const row = visibleComponents(tx).find(({ idText }) => idText === componentId);
  if (row === undefined) throw badRequest("ComponentNotFound", `There is no component ${componentId}.`);
  return row.idText;
}

/** Whose code runs in a namespace. */
export function codeOwnerOfNamespace(tx: Transaction, namespace: Namespace): CodeOwner {
  const row = readComponents(tx).find(({ idText }) => idText === namespace);
  return row === undefined ? rootNamespace : codeOwnerOf(row.value.definitionPath);
}
