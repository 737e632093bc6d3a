import { cpuTimeUs } from "./cpuTime.ts";
import type { Measurement, Series } from "./statistics.ts";

/** Something that can be measured again and again. */
export interface Subject {
  readonly name: string;
  measure(round: number): Promise<Measurement>;
}

/**
 * Measures all subjects in turn, `rounds` times (A B C A B C ...), so that what disturbs the machine for a while
 * disturbs all of them. A subject that fails is not measured again.
 */
export async function interleave(
  rounds: number,
  subjects: readonly Subject[],
  measured: (name: string, round: number, measurement: Measurement) => void,
): Promise<Series[]> {
  const series = subjects.map(({ name }): Series => ({ system: name, rounds: [] }));
  const broken = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    for (const [at, subject] of subjects.entries()) {
      if (broken.has(subject.name)) continue;
      let measurement: Measurement;
      try {
        measurement = await subject.measure(round);
      } catch (error) {
        measurement = failedMeasurement((error as Error).message);
        broken.add(subject.name);
      }
      series[at]?.rounds.push(measurement);
      measured(subject.name, round, measurement);
    }
  }
  return series;
}

/** Adds what the processes of the system under test have spent on it to a measurement. */
export async function withCpuTime<Result extends Measurement>(
  pids: readonly number[],
  measure: () => Promise<Result>,
): Promise<Result> {
  const before = cpuTimeUs(pids);
  const result = await measure();
  const used = cpuTimeUs(pids) - before;
  return { ...result, cpuUsEach: pids.length === 0 ? Number.NaN : used / result.completed };
}

function failedMeasurement(failure: string): Measurement {
  const none = Number.NaN;
  return {
    perSecond: none,
    count: 0,
    p50Ms: none,
    p99Ms: none,
    maxMs: none,
    loadCpu: none,
    completed: 0,
    cpuUsEach: none,
    failures: [failure],
    notes: [],
  };
}
