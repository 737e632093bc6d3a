import { rangeInterval } from "../transaction/indexRange.ts";
import type { Comparison } from "../transaction/queryJson.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { stringifyValue } from "../values/json.ts";
import { isValueArray, isValueObject, type Value, type ValueObject } from "../values/value.ts";
import { readAuthProviders } from "./configuration.ts";
import type { SystemFunction } from "./systemFunction.ts";
import { pageOfSource } from "./systemFunctionArguments.ts";
import { cliFunctions } from "./systemFunctionsCli.ts";
import { type DeploymentEventRow, deploymentEventRows, rowsMatching, tableOf } from "./systemRows.ts";

/** Entries of one answer of listDeploymentEventsFromTime. */
const listedEventsMax = 1000;

/** The dashboard's history and settings (reference dashboard.md §5, §7, §9). */
export const settingsFunctions: Readonly<Record<string, SystemFunction>> = {
  "listEnvironmentVariables:default": cliFunctions["queryEnvironmentVariables:default"]!,
  "listAuthProviders:default": (tx) =>
    readAuthProviders(tx).map((provider): Value => {
      if (!("type" in provider)) return { ...provider };
      // The platform keeps the algorithm as a JSON text, and that is what the page expects.
      return { ...provider, algorithm: JSON.stringify(provider.algorithm) };
    }),
  // No log streams can be set up on this server.
  "listConfiguredSinks:default": () => [],
  "latestExport:default": cliFunctions["exports:getLatest"]!,
  "latestExport:latestCloudExport": () => null,
  "latestExport:canExportFileStorage": () => true,
  "snapshotImport:list": cliFunctions["queryImport:list"]!,
  "deploymentEvents:lastPushEvent": (tx) => {
    const pushes = [...rowsMatching(tx, deploymentEventRows, "by_action", ["push_config_with_components"])];
    return (pushes.at(-1)?.value ?? null) as Value;
  },
  "paginatedDeploymentEvents:default": (tx, context, args) => {
    const { filters: given } = args;
    const filters = given !== undefined && isValueObject(given) ? given : {};
    const query = {
      source: eventsBetween(tx, filters["minDate"], filters["maxDate"], "desc"),
      operators: [{ filter: (event: ValueObject) => isWanted(event, filters) }],
      text: ["deployment events", stringifyValue(filters)],
    };
    return pageOfSource(tx, context, query, args["paginationOpts"]);
  },
  "listDeploymentEventsFromTime:default": (tx, _context, args) => {
    const { index, interval } = eventsBetween(tx, args["fromTimestamp"], undefined, "asc");
    const events: Value[] = [];
    for (const { value } of tx.scan(index, interval.lower, interval.upper, "asc")) {
      events.push(value);
      if (events.length >= listedEventsMax) break;
    }
    return events;
  },
};

function eventsBetween(
  tx: Transaction,
  fromMs: Value | undefined,
  toMs: Value | undefined,
  order: "asc" | "desc",
) {
  const table = tableOf(tx, deploymentEventRows);
  const bound = (type: Comparison, value: Value | undefined) =>
    typeof value === "number" ? [{ type, field: "_creationTime", value }] : [];
  const range = [...bound("Gte", fromMs), ...bound("Lte", toMs)];
  const index = table.byCreationTime;
  return { kind: "index" as const, table, index, interval: rangeInterval(table, index, range), order };
}

function isWanted(event: ValueObject, { authorMemberIds, actions }: ValueObject): boolean {
  const row = event as unknown as DeploymentEventRow;
  const isListed = (list: Value | undefined, value: Value) =>
    list === undefined || !isValueArray(list) || list.includes(value);
  return isListed(actions, row.action) && isListed(authorMemberIds, row.member_id);
}
