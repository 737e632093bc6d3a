import type { Namespace } from "../store/store.ts";
import type { PushedCrons } from "../jobs/crons.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { analysisOf, readModules } from "./configuration.ts";
import { rootNamespace } from "./systemRows.ts";

/** The crons of every mounted component, as the pushed code declares them. */
export function pushedCrons(tx: Transaction): ReadonlyMap<Namespace, PushedCrons> {
  return new Map([[rootNamespace, { componentPath: "", crons: cronsIn(tx, rootNamespace) }]]);
}

function cronsIn(tx: Transaction, codeNamespace: Namespace): PushedCrons["crons"] {
  const row = readModules(tx, codeNamespace).find(({ value }) => value.path === "crons.js");
  const specs = row === undefined ? [] : (analysisOf(row).cronSpecs ?? []);
  return specs.map(({ identifier, spec }) => ({
    name: identifier,
    udfPath: spec.udfPath,
    argsJson: spec.udfArgs === null ? "[{}]" : Buffer.from(spec.udfArgs).toString("utf8"),
    schedule: spec.cronSchedule,
  }));
}
