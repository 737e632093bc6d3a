import { assert } from "../../lenslet/src/base/assert.ts";
import type { Store } from "../../lenslet/src/store/store.ts";
import { runOutside } from "./host.ts";

type OnDemand = typeof import("./onDemand.ts");

let loaded: OnDemand | null = null;

/** To be awaited before what `onDemand.ts` has is used: for searches, before one is read. */
export async function loadOnDemand(): Promise<OnDemand> {
  // Not within the function that asks for it: there are no timers and no fetch there.
  return (loaded ??= await runOutside(() => import("./onDemand.ts")));
}

export function openSearchStore(): Store {
  assert(loaded !== null, "the search store is loaded before a search is read");
  return loaded.openSqliteStore(":memory:");
}
