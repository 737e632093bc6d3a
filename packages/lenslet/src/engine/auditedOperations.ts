import { z } from "zod";
import { namespaceOfId } from "../deploy/componentRows.ts";
import { readEnvironmentVariables } from "../deploy/configuration.ts";
import {
  type Actor,
  componentMetadata,
  type DeploymentAction,
  recordEvent,
} from "../deploy/deploymentEvents.ts";
import type { FinishPushDiff } from "../deploy/finishPush.ts";
import { findJob } from "../jobs/jobQueue.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { tryDecodeId } from "../values/id.ts";
import { type JsonValue, parseValue } from "../values/json.ts";
import type { Value, ValueObject } from "../values/value.ts";

/*
 * What the audit log says of operations of the server (reference dashboard.md §7). An operation is recorded when its
 * arguments name the client who wanted it; what the server does by itself is not, and of one that is done in slices
 * only the first says who.
 */

type Event = readonly [DeploymentAction, ValueObject];
/** Called before the operation runs, so that it sees what there was; the result tells what came of it. */
type Describe = (args: JsonValue, tx: Transaction) => (result: unknown) => readonly Event[];

const actor = z.object({ client: z.object({ ip: z.string().nullable(), userAgent: z.string().nullable() }) });
const ofComponent = z.object({ componentId: z.string().nullish() });
const environmentChanges = z.object({
  changes: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
});

const described: Readonly<Record<string, Describe>> = {
  "env.commit": (args, tx) => {
    const events = environmentEvents(readEnvironmentVariables(tx), environmentChanges.parse(args).changes);
    return () => events;
  },
  "canonicalUrl.update": (args) => {
    const { requestDestination, url } = z
      .object({ requestDestination: z.string(), url: z.string().nullable() })
      .parse(args);
    const metadata = { request_destination: requestDestination };
    return () => [
      url === null ? ["delete_canonical_url", metadata] : ["update_canonical_url", { ...metadata, url }],
    ];
  },
  "deployment.pause": () => () => [["pause_deployment", {}]],
  "deployment.unpause": () => () => [["unpause_deployment", {}]],
  "admin.deleteTables": (args, tx) => {
    const { tableNames } = z.object({ tableNames: z.array(z.string()) }).parse(args);
    const metadata = { ...componentOf(args, tx), table_names: tableNames };
    return () => [["delete_tables", metadata]];
  },
  "admin.deleteComponent": (args, tx) => {
    const metadata = componentOf(args, tx);
    return () => [["delete_component", metadata]];
  },
  "scheduler.cancelOne": (args, tx) => {
    const { id } = z.object({ id: z.string() }).parse(args);
    const decoded = tryDecodeId(id);
    const job = decoded === null ? null : findJob(tx, decoded.id);
    const metadata = {
      ...componentOf(args, tx),
      scheduled_function_id: id,
      function_path: job?.udfPath ?? null,
    };
    return () => [["cancel_scheduled_function", metadata]];
  },
  "scheduler.cancelAll": (args, tx) => {
    const metadata = componentOf(args, tx);
    return () => [["cancel_all_scheduled_functions", metadata]];
  },
  "scheduler.deleteAll": (args, tx) => {
    const metadata = componentOf(args, tx);
    return () => [["delete_scheduled_jobs_table", metadata]];
  },
  "export.request": (args) => (id) => [
    [
      "request_export",
      {
        id: id as string,
        component_id: null,
        component: null,
        format: valueOf({
          format: "zip",
          include_storage: (args as { includeStorage?: boolean }).includeStorage,
        }),
        requestor: "snapshotExport",
      },
    ],
  ],
  "export.cancel": (args) => () => [["cancel_export", { id: z.object({ id: z.string() }).parse(args).id }]],
  "export.setExpiration": (args) => {
    const { id, expirationTsNs } = z.object({ id: z.string(), expirationTsNs: z.number() }).parse(args);
    const expiration_ts_ms = BigInt(Math.floor(expirationTsNs / 1_000_000));
    return () => [["set_export_expiration", { id, expiration_ts_ms }]];
  },
  "push.finish": (args) => (result) => {
    const { message, dryRun } = z
      .object({ message: z.string().nullish(), dryRun: z.boolean().nullish() })
      .parse(args);
    return dryRun === true ? [] : [pushEvent(result as FinishPushDiff, message ?? null)];
  },
};

/** To be called before an operation runs; what it returns is called after, in the same transaction. */
export function audited(operation: string, args: JsonValue, tx: Transaction): (result: unknown) => void {
  const describe = Object.hasOwn(described, operation) ? described[operation] : undefined;
  const named = describe === undefined ? null : actor.safeParse(args);
  if (describe === undefined || named === null || !named.success) return () => undefined;
  const client: Actor = named.data.client;
  const eventsOf = describe(args, tx);
  return (result) => {
    for (const [action, metadata] of eventsOf(result)) recordEvent(tx, action, metadata, client);
  };
}

function componentOf(args: JsonValue, tx: Transaction) {
  return componentMetadata(tx, namespaceOfId(tx, ofComponent.parse(args).componentId ?? null));
}

/** A new name for an old value is a renaming when the old name goes in the same request. */
function environmentEvents(
  before: Readonly<Record<string, string>>,
  changes: readonly { readonly name: string; readonly value: string | null }[],
): Event[] {
  const removed = new Set(changes.filter(({ value }) => value === null).map(({ name }) => name));
  const events = changes.flatMap(({ name, value }): Event[] => {
    if (value === null || before[name] === value) return [];
    if (before[name] !== undefined) return [["update_environment_variable", { variable_name: name }]];
    const previous = [...removed].find((old) => before[old] === value);
    if (previous === undefined) return [["create_environment_variable", { variable_name: name }]];
    removed.delete(previous);
    return [
      ["replace_environment_variable", { previous_variable_name: previous, variable_name: name }] as const,
    ];
  });
  const gone = [...removed].filter((name) => before[name] !== undefined);
  return [...events, ...gone.map((name): Event => ["delete_environment_variable", { variable_name: name }])];
}

function pushEvent({ authDiff, componentDiffs }: FinishPushDiff, message: string | null): Event {
  const diffs = Object.entries(componentDiffs).map(([path, { schemaDiff, ...diff }]) => ({
    component_path: path === "" ? null : path,
    component_diff: {
      ...diff,
      schemaDiff: schemaDiff && { previous_schema_id: null, next_schema_id: null, ...schemaDiff },
    },
  }));
  const metadata = { auth_diff: authDiff, component_diffs: diffs, ...(message === null ? {} : { message }) };
  return ["push_config_with_components", valueOf(metadata) as ValueObject];
}

/** Plain JSON as a value; what is undefined is left out. */
function valueOf(json: unknown): Value {
  return parseValue(JSON.parse(JSON.stringify(json)) as JsonValue);
}
