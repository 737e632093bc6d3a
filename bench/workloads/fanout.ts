import { openFilesMax, otherFilesMax } from "../harness/machine.ts";
import type { Bench } from "../systems/context.ts";
import { fanoutSystems } from "../systems/messageSystems.ts";
import { MessagesRun } from "./messages.ts";
import type { Section, WorkloadReport } from "./report.ts";

// W5: one writer, many subscribers of one query.

export async function runFanout(bench: Bench): Promise<WorkloadReport> {
  const run = await MessagesRun.start(bench, "W5", fanoutSystems);
  const sections: Section[] = [];
  for (const subscribers of bench.options.subscribers) {
    if (subscribers + otherFilesMax > openFilesMax()) {
      run.failures.push(
        `${subscribers} subscribers need more open files than allowed (ulimit -n ${openFilesMax()})`,
      );
      continue;
    }
    bench.say(`W5: ${subscribers} subscribers`);
    const cases = bench.options.rates.map((rate) => ({
      title: `${subscribers.toLocaleString("en-US")} subscribers, ${rate} writes/s`,
      parameters: { subscribers, rate },
      load: { rate, inFlight: 0 },
    }));
    sections.push(...(await run.measure({ subscribers }, cases)));
  }
  return { workload: "W5", sections, failures: run.failures };
}
