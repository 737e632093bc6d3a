import type { DocumentWrite } from "../store/store.ts";
import { cronJobsTable, jobQueueTable } from "../store/systemTables.ts";

/** The earliest time at which something that a commit has put in line is due; null when it put nothing there. */
export function earliestDueMs(writes: readonly DocumentWrite[]): number | null {
  let dueMs: number | null = null;
  for (const { tablet, after } of writes) {
    if (after === null) continue;
    if (tablet === jobQueueTable.tablet) {
      const { lane } = after.value;
      if (lane === "mutation" || lane === "action") dueMs = earlier(dueMs, after.value["dueMs"] as number);
    } else if (tablet === cronJobsTable.tablet) {
      dueMs = earlier(dueMs, after.value["nextMs"] as number);
    }
  }
  return dueMs;
}

/** The earlier of two times; null is never. */
export function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
