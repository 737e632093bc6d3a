import type { Namespace } from "../store/store.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { encodeKeyPart, type IndexKey } from "../values/key.ts";
import type { Value, ValueObject } from "../values/value.ts";
import { readComponents } from "./componentRows.ts";
import {
  deleteRow,
  type DeploymentEventRow,
  deploymentEventRows,
  insertRow,
  oldestRows,
  tableOf,
} from "./systemRows.ts";

/** The oldest go when there are more. */
export const deploymentEventsMax = 10_000;

/** Whose doing it was, as far as that is known. */
export interface Actor {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** Names and shapes: reference dashboard.md §7. */
export type DeploymentAction =
  | "create_environment_variable"
  | "update_environment_variable"
  | "delete_environment_variable"
  | "replace_environment_variable"
  | "push_config_with_components"
  | "pause_deployment"
  | "unpause_deployment"
  | "clear_tables"
  | "update_canonical_url"
  | "delete_canonical_url"
  | "snapshot_import"
  | "add_documents"
  | "update_documents"
  | "delete_documents"
  | "create_table"
  | "delete_tables"
  | "delete_component"
  | "delete_scheduled_jobs_table"
  | "cancel_all_scheduled_functions"
  | "cancel_scheduled_function"
  | "generate_upload_url"
  | "delete_files"
  | "request_export"
  | "cancel_export"
  | "set_export_expiration";

/** Writes a row of the audit log into the transaction of what it tells of: there is neither without the other. */
export function recordEvent(
  tx: Transaction,
  action: DeploymentAction,
  metadata: ValueObject,
  actor: Actor | null,
): void {
  insertRow(tx, deploymentEventRows, {
    action,
    member_id: null,
    metadata,
    ...(actor?.ip ? { client_ip: actor.ip } : {}),
    ...(actor?.userAgent ? { client_user_agent: actor.userAgent } : {}),
  });
  if (tx.count(tableOf(tx, deploymentEventRows)) <= deploymentEventsMax) return;
  for (const { id } of oldestRows(tx, deploymentEventRows, 1)) deleteRow(tx, deploymentEventRows, id);
}

/** `{component_id, component}` of most metadata: the component whose data it was, null for the app. */
export function componentMetadata(
  tx: Transaction,
  namespace: Namespace,
): { readonly component_id: Value; readonly component: Value } {
  if (namespace === "") return { component_id: null, component: null };
  const row = readComponents(tx).find(({ idText }) => idText === namespace);
  return { component_id: namespace, component: row?.value.path ?? null };
}

/** An entry of `/api/v1/list_audit_log_events` (reference http-api.md §7). */
export interface AuditLogItem {
  readonly actor: { readonly kind: "system" };
  readonly action: string;
  /** Milliseconds since 1970. */
  readonly createTime: number;
  readonly metadata: ValueObject;
  readonly clientIp: string | null;
  readonly clientUserAgent: string | null;
}

/** Oldest first, from a time on; `behindMs`: the creation time of the entry before them. */
export function listEvents(
  tx: Transaction,
  { fromMs, behindMs, limit }: { readonly fromMs: number; readonly behindMs: number; readonly limit: number },
): { readonly items: readonly AuditLogItem[]; readonly hasMore: boolean } {
  const { byCreationTime } = tableOf(tx, deploymentEventRows);
  const from = encodeKeyPart(Math.max(fromMs, behindMs)) as IndexKey;
  const items: AuditLogItem[] = [];
  for (const { value } of tx.scan(byCreationTime, from, null, "asc")) {
    const { action, metadata, client_ip, client_user_agent, _creationTime } =
      value as unknown as DeploymentEventRow & { readonly _creationTime: number };
    if (_creationTime <= behindMs) continue;
    if (items.length >= limit) return { items, hasMore: true };
    items.push({
      actor: { kind: "system" },
      action,
      createTime: _creationTime,
      metadata,
      clientIp: client_ip ?? null,
      clientUserAgent: client_user_agent ?? null,
    });
  }
  return { items, hasMore: false };
}
