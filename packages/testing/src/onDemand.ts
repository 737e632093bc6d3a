/*
 * What most tests never need, a third of this package's code: it is loaded by the first test that searches, subscribes
 * or starts crons (see `load.ts`). In one module, so that everything else is in few files.
 */
export { openSqliteStore } from "../../lenslet/src/store/sqliteStore.ts";
export { Crons } from "./crons.ts";
export { Subscriptions } from "./subscriptions.ts";
