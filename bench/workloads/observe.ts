import type { Bench } from "../systems/context.ts";
import { observeSystems } from "../systems/messageSystems.ts";
import { MessagesRun } from "./messages.ts";
import type { WorkloadReport } from "./report.ts";

// W4: one writer, one subscriber of the newest rows.

const inFlight = 40;

export async function runObserve(bench: Bench): Promise<WorkloadReport> {
  const run = await MessagesRun.start(bench, "W4", observeSystems);
  const sections = await run.measure({ subscribers: 1 }, [
    { title: "5 inserts/s", parameters: { rate: 5 }, load: { rate: 5, inFlight: 0 } },
    {
      title: `highest rate, ${inFlight} inserts not yet seen at any time`,
      parameters: { rate: "highest", inFlight },
      load: { rate: null, inFlight },
    },
  ]);
  return { workload: "W4", sections, failures: run.failures };
}
