import fs from "node:fs";

/** The kernel counts in ticks of 10 ms (USER_HZ is 100 on every Linux). */
const tickUs = 10_000;

/** Physical memory of the given processes and their descendants, in bytes; NaN where there is no /proc. */
export function residentBytes(roots: readonly number[]): number {
  return sumOver(roots, (pid) => {
    try {
      return (
        Number(/VmRSS:\s*(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024
      );
    } catch {
      return 0;
    }
  });
}

/**
 * CPU time that the given processes and their descendants have used so far, in microseconds; NaN where there is no
 * /proc. Unlike a rate it hardly suffers from what else the machine is doing.
 */
export function cpuTimeUs(roots: readonly number[]): number {
  // utime and stime, and those of children that have ended (PostgreSQL's connections are processes).
  return sumOver(
    roots,
    (_, fields) => [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * tickUs,
  );
}

function sumOver(
  roots: readonly number[],
  figure: (pid: number, fields: readonly string[]) => number,
): number {
  if (!fs.existsSync("/proc/self/stat")) return Number.NaN;
  const parents = new Map<number, number>();
  const figures = new Map<number, number>();
  for (const entry of fs.readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const fields = statFields(pid);
    if (fields === null) continue;
    parents.set(pid, Number(fields[1]));
    figures.set(pid, figure(pid, fields));
  }
  let sum = 0;
  for (const [pid, one] of figures) {
    if (isWithin(pid, roots, parents)) sum += one;
  }
  return sum;
}

/** What follows the name, which may contain anything: state, parent, ... */
function statFields(pid: number): string[] | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

function isWithin(pid: number, roots: readonly number[], parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
    if (roots.includes(at)) return true;
  }
  return false;
}
