import type { Namespace } from "../store/store.ts";
import type { PushedCrons } from "../jobs/crons.ts";
import type { Transaction } from "../transaction/transaction.ts";
import { visibleComponents } from "./componentRows.ts";
import { analysisOf, readModules } from "./configuration.ts";
import { codeOwnerOf, rootNamespace, type CodeOwner } from "./systemRows.ts";

/** The crons of every mounted component, as the pushed code declares them. */
export function pushedCrons(tx: Transaction): ReadonlyMap<Namespace, PushedCrons> {
  const mounted = visibleComponents(tx).filter(({ value }) => value.state === "active");
  return new Map([
    [rootNamespace, { componentPath: "", crons: cronsIn(tx, "") }],
    ...mounted.map(({ idText, value }): [Namespace, PushedCrons] => [
      idText,
      { componentPath: value.path, crons: cronsIn(tx, codeOwnerOf(value.definitionPath)) },
    ]),
  ]);
}

function cronsIn(tx: Transaction, owner: CodeOwner): PushedCrons["crons"] {
  const row = readModules(tx, owner).find(({ value }) => value.path === "crons.js");
  const specs = row === undefined ? [] : (analysisOf(row).cronSpecs ?? []);
  return specs.map(({ identifier, spec }) => ({
    name: identifier,
    udfPath: spec.udfPath,
    argsJson: spec.udfArgs === null ? "[{}]" : Buffer.from(spec.udfArgs).toString("utf8"),
    schedule: spec.cronSchedule,
  }));
}
